-- One row: who this installation is, and which SECRET_KEY its secrets were encrypted with.
-- The fingerprint is a one-way derivation of the key (PBKDF2, salted with the uuid); the key itself is never here.
CREATE TABLE installation (
    singleton        boolean PRIMARY KEY DEFAULT true CONSTRAINT installation_has_one_row CHECK (singleton),
    uuid             uuid NOT NULL DEFAULT gen_random_uuid(),
    key_id           text,
    key_fingerprint  text,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT installation_key_is_whole CHECK ((key_id IS NULL) = (key_fingerprint IS NULL))
);

INSERT INTO installation DEFAULT VALUES;
