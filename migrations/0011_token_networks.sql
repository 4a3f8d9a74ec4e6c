-- Networks from which a token may be used, divided by spaces; none: from everywhere.
ALTER TABLE tokens ADD COLUMN networks TEXT;
