//! People through their lives, and what each part of it costs RingCX.
