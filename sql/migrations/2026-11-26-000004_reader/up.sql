-- Who asks, reads only: the API's role. Making it takes the right to make roles, unless it is there already.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'concordat_reader') THEN
        CREATE ROLE concordat_reader NOLOGIN;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA ledger TO concordat_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO concordat_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA ledger GRANT SELECT ON TABLES TO concordat_reader;
-- Whether the schema is the program's.
GRANT SELECT ON public.__diesel_schema_migrations TO concordat_reader;
