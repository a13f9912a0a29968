//! The regulator's database by the program's own commands. What is written and what survives is in `sql/tests`.

use concordat_tests::postgres::Postgres;

#[test]
fn a_schema_that_is_not_this_programs_is_refused() {
    let postgres = Postgres::start(&["fsync=off"]);
    let said = |args: &[&str]| {
        let output = postgres.concordat(&[&["audit"], args].concat());
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (done, text) = said(&["status"]);
    assert!(
        !done && text.contains("older than this program") && text.contains("concordat audit migrate"),
        "{text}"
    );
    assert!(said(&["migrate"]).0);
    assert!(said(&["status"]).0);
    let again = said(&["migrate"]);
    assert!(again.0 && again.1.contains("[]"), "{again:?}");

    postgres.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')");
    for args in [["status"], ["migrate"]] {
        let (done, text) = said(&args);
        assert!(
            !done && text.contains("newer than this program") && text.contains("20991231000001"),
            "{text}"
        );
    }
    postgres.sql("DELETE FROM __diesel_schema_migrations WHERE version = '20991231000001'");

    assert!(said(&["migrate", "--revert"]).0);
    assert_eq!(postgres.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'ledger'"), "0");
    assert!(said(&["migrate"]).0, "what was removed is made again");
}
