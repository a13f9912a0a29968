DROP INDEX IF EXISTS ledger.blocks_proposer, ledger.commit_signatures_validator, ledger.transactions_outcome,
    ledger.transactions_contract, ledger.logs_topic0, ledger.token_transfers_token, ledger.token_balances_token,
    ledger.alerts_organisation, ledger.alerts_contract, ledger.account_standings_status,
    ledger.account_standings_role, ledger.account_standings_authority, ledger.identities_identity,
    ledger.authorities_organisation, ledger.validators_organisation, ledger.organisations_status,
    ledger.regulators_organisation, ledger.proposals_status, ledger.proposals_kind, ledger.proposals_proposer,
    ledger.ballots_member, ledger.contracts_organisation, ledger.contracts_creator, ledger.contracts_status;
DROP SCHEMA IF EXISTS access CASCADE;
REVOKE ALL ON public.__diesel_schema_migrations FROM concordat_service;
