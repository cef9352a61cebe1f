-- Who has begun a request with an Idempotency-Key: a failing duplicate gave the first one's key up,
-- and a run that was started for it could not be told from another's. Rows of before get a claim
-- that nobody has.
ALTER TABLE idempotent_answers ADD COLUMN claim uuid NOT NULL DEFAULT gen_random_uuid();
