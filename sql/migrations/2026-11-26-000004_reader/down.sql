-- The role stays: other databases of the cluster may use it.
ALTER DEFAULT PRIVILEGES IN SCHEMA ledger REVOKE SELECT ON TABLES FROM concordat_reader;
REVOKE SELECT ON ALL TABLES IN SCHEMA ledger FROM concordat_reader;
REVOKE USAGE ON SCHEMA ledger FROM concordat_reader;
REVOKE ALL ON public.__diesel_schema_migrations FROM concordat_reader;
