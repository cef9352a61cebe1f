-- graphmill.llm.manners.Manners: how long an answer a model gives at most, and how much it takes of
-- question and answer together, where it has said so (0: it has not).
ALTER TABLE model_manners ADD COLUMN answer_tokens int NOT NULL DEFAULT 0;
ALTER TABLE model_manners ADD COLUMN context_tokens int NOT NULL DEFAULT 0;
-- Those that a batch was asked with.
ALTER TABLE model_batches ADD COLUMN answer_tokens int NOT NULL DEFAULT 0;
ALTER TABLE model_batches ADD COLUMN context_tokens int NOT NULL DEFAULT 0;
