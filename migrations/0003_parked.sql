-- A job that waits for a person is parked: nobody works on it until something changes or an operator says so.
ALTER TABLE jobs ADD COLUMN parked_at BIGINT;
