//! What supervisors take away: exports that other programs read, packages for a court, books held against the chain. A real
//! network, a real database, and the tools of others to check by.

use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use alloy_primitives::{Address, hex};
use concordat_tests::{Network, postgres::Postgres, skip, token};
use serde_json::{Value, json};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

/// The node next to which the projector runs.
const OBSERVED: usize = 1;

/// Files of a package by their names.
type Files = BTreeMap<String, Vec<u8>>;

struct Setting {
    network: Network,
    postgres: Postgres,
    token: Address,
    /// Hashes of the payments: 250, 30 and 7 tokens from bank A's developer to bank B's operator.
    paid: Vec<String>,
}

impl Setting {
    fn start() -> Self {
        let network = Network::start_with(2, &["--empty-block-interval-ms", "200"]);
        let postgres = Postgres::start(&["fsync=off"]);
        let token = token::deploy(&network, "bank-a/developer", 1_000);
        network.enrol("bank-b/operator", 0);
        let paid = [250_u64, 30, 7].map(|amount| pay(&network, token, amount)).to_vec();
        assert!(postgres.concordat(&["audit", "migrate"]).status.success());
        let setting = Self { network, postgres, token, paid };
        setting.network.wait_for_height(OBSERVED, setting.network.height(0).unwrap());
        let data = setting.network.node_folder(OBSERVED).join("data");
        let source = ["--data", data.to_str().unwrap(), "--genesis", setting.genesis(), "--until-tip"];
        let projected = setting.audit("project", &source);
        assert!(projected.status.success(), "{}", said(&projected));
        setting
    }

    fn genesis(&self) -> &str {
        self.network.info["genesis"].as_str().unwrap()
    }

    fn path(&self, name: &str) -> String {
        self.network.home().join(name).to_str().unwrap().to_owned()
    }

    fn audit(&self, command: &str, more: &[&str]) -> Output {
        self.postgres.concordat(&[&["audit", command], more].concat())
    }

    /// Packs what the database's newest block and all before say of somebody.
    fn pack(&self, subject: &str, output: &str) -> Output {
        let signer = self.network.account("bank-a/operator");
        let (ethereum, comet) = (self.network.url(0, "ethereum"), self.network.url(0, "cometbft"));
        let to = self.postgres.sql("SELECT height FROM ledger.projection_cursor");
        let text = |name: &str| signer[name].as_str().unwrap();
        let passphrase = self.network.info["passphrase_file"].as_str().unwrap();
        self.audit(
            "evidence",
            &[
                &["--subject", subject, "--to", &to, "--genesis", self.genesis(), "--case", "AZ 7/2026 <b>"]
                    [..],
                &[
                    "--rpc",
                    &ethereum,
                    "--comet",
                    &comet,
                    "--key",
                    text("key"),
                    "--passphrase-file",
                    passphrase,
                ],
                &["--certificate", text("certificate"), "-o", output],
            ]
            .concat(),
        )
    }

    /// What is said of a package: the exit code, and the answer.
    fn verify(&self, package: &str, more: &[&str]) -> (Option<i32>, String) {
        let output = self.audit("verify-evidence", &[&[package, "--genesis", self.genesis()], more].concat());
        (output.status.code(), said(&output))
    }
}

fn pay(network: &Network, token: Address, amount: u64) -> String {
    let (token, to) = (token.to_string(), network.address("bank-b/operator").to_string());
    let call = ["contract", "send", "--to", &token, "transfer(address,uint256)", &to, &amount.to_string()];
    network.with_key("bank-a/developer", 0, &call)["transactionHash"].as_str().unwrap().to_owned()
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn what_a_supervisor_takes_away_holds_against_the_chain_and_against_tools_of_others() {
    let setting = Setting::start();
    every_table_is_exported_and_read_by_others(&setting);
    books_that_agree_agree_and_each_difference_is_told(&setting);
    a_package_is_verified_by_this_program_and_by_others(&setting);
    each_kind_of_file_that_is_altered_is_named(&setting);
    a_signer_that_alters_records_is_found_out(&setting);
}

fn every_table_is_exported_and_read_by_others(setting: &Setting) {
    let tables = ["blocks", "transactions", "logs", "decoded_events", "token_transfers", "token_balances"];
    for table in tables {
        let count: u64 =
            setting.postgres.sql(&format!("SELECT count(*) FROM ledger.{table}")).parse().unwrap();
        for format in ["parquet", "ndjson", "csv"] {
            let file = setting.path(&format!("{table}.{format}"));
            let output = setting.audit("export", &["--table", table, "--format", format, "-o", &file]);
            let manifest: Value =
                serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
            let height = setting.postgres.sql("SELECT height FROM ledger.projection_cursor");
            let digest = "SELECT encode(digest, 'hex') FROM ledger.projection_cursor";
            assert_eq!(
                (&manifest["rows"], manifest["to"].to_string(), &manifest["digest"]),
                (&json!(count), height, &json!(setting.postgres.sql(digest))),
                "{table} as {format}"
            );
            if format != "parquet" {
                let lines = fs::read_to_string(&file).unwrap().lines().count();
                assert_eq!(lines as u64, count + u64::from(format == "csv"), "{table} as {format}");
            }
        }
    }
    let refused = setting.audit("export", &["--table", "seats", "--format", "csv", "-o", "x"]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    sums_are_right(setting, "token_transfers.parquet");
}

/// DuckDB and pyarrow read the amounts that PostgreSQL has.
fn sums_are_right(setting: &Setting, folder: &str) {
    let python = std::env::var("CONCORDAT_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = Command::new(&python).args(["-c", "import duckdb, pyarrow.parquet"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        return skip::note("duckdb", "duckdb and pyarrow are missing: python3 -m pip install duckdb pyarrow");
    }
    let script = "import sys, glob, duckdb, pyarrow.parquet\n\
                  f = sys.argv[1]\n\
                  q = \"select sum(amount::hugeint)::varchar, count(*), hex(min(token)) from '\" + f + \"/*.parquet'\"\n\
                  print(*duckdb.sql(q).fetchall()[0])\n\
                  t = pyarrow.parquet.read_table(glob.glob(f + '/*.parquet')).to_pylist()\n\
                  print(sum(int(r['amount']) for r in t), len(t), min(r['token'] for r in t).hex().upper())";
    let output = Command::new(&python).args(["-c", script, &setting.path(folder)]).output().unwrap();
    let expected = setting.postgres.sql("SELECT sum(amount) || ' ' || count(*) FROM ledger.token_transfers");
    let line = format!("{expected} {}", hex::encode_upper(setting.token));
    assert_eq!(said(&output), format!("{line}\n{line}\n"));
}

fn books_that_agree_agree_and_each_difference_is_told(setting: &Setting) {
    let (account, token) = (setting.network.address("bank-b/operator"), setting.token);
    let payer = setting.network.address("bank-a/developer");
    let today =
        setting.postgres.sql("SELECT to_char(max(time) AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM ledger.blocks");
    let reconcile = |books: &str, more: &[&str]| {
        let file = setting.path("books.csv");
        fs::write(&file, books).unwrap();
        let (account, token) = (account.to_string(), token.to_string());
        let fixed = ["--books", &file, "--account", &account, "--token", &token];
        let output = setting.audit("reconcile", &[&fixed[..], more].concat());
        let told: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
        (output.status.code(), told)
    };
    let good = format!(
        "reference,hash,time,amount,counterparty\nA,{},{today},250,\nB,,{today},30,{payer}\nC,,{today},7,\n",
        setting.paid[0]
    );
    let (code, told) = reconcile(&good, &[]);
    assert_eq!(code, Some(0), "{told}");
    let levels: Vec<&str> =
        told["report"]["matched"].as_array().unwrap().iter().map(|m| m["level"].as_str().unwrap()).collect();
    assert_eq!(levels.len(), 3);
    assert!(["hash", "counterparty", "time"].iter().all(|level| levels.contains(level)), "{levels:?}");
    assert_eq!(told["report"]["balances"][1]["chain"], "287");

    let csv = setting.path("report.csv");
    let bad = good.replace(",250,", ",251,").replace("B,,", "B,x,").replace(",30,", ",31,");
    let (code, told) = reconcile(&bad, &["--csv", &csv]);
    assert_eq!(code, Some(3), "{told}");
    let report = &told["report"];
    let difference = json!([{ "field": "amount", "books": "251", "chain": "250" }]);
    assert_eq!(report["differing"][0]["differences"], difference, "{told}");
    assert_eq!(report["only_in_books"][0]["amount"], "31");
    assert_eq!(report["only_on_chain"][0]["hash"], setting.paid[1]);
    assert_eq!(fs::read_to_string(&csv).unwrap().lines().count(), 5);

    let (code, told) = reconcile("time,amount\nyesterday,1\n", &[]);
    assert_eq!(code, Some(1));
    assert!(told["error"].as_str().unwrap().contains("books.csv: line 2, time"), "{told}");
    a_statement_is_read_with_its_balances(setting, account, &today);
}

fn a_statement_is_read_with_its_balances(setting: &Setting, account: Address, today: &str) {
    let entry = |amount: u64, hash: &str| {
        format!(
            "<Ntry><Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>\
             <BookgDt><Dt>{today}</Dt></BookgDt><NtryDtls><TxDtls><RmtInf><Ustrd>{hash}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
        )
    };
    let balance = |code: &str, amount: u64| {
        format!(
            "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>"
        )
    };
    let statement = |closing: u64| {
        let entries: String =
            [250, 30, 7].iter().zip(&setting.paid).map(|(amount, hash)| entry(*amount, hash)).collect();
        format!(
            "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"><BkToCstmrStmt><Stmt><Acct/>{}{}{entries}\
             </Stmt></BkToCstmrStmt></Document>",
            balance("OPBD", 0),
            balance("CLBD", closing)
        )
    };
    let (account, token) = (account.to_string(), setting.token.to_string());
    for (closing, expected) in [(287, Some(0)), (288, Some(3))] {
        let file = setting.path("statement.xml");
        fs::write(&file, statement(closing)).unwrap();
        let output =
            setting.audit("reconcile", &["--books", &file, "--account", &account, "--token", &token]);
        assert_eq!(output.status.code(), expected, "{}", said(&output));
    }
}

fn a_package_is_verified_by_this_program_and_by_others(setting: &Setting) {
    let (package, subject) =
        (setting.path("case.zip"), setting.network.address("bank-b/operator").to_string());
    let packed = setting.pack(&subject, &package);
    assert!(packed.status.success(), "{}", said(&packed));
    let again = setting.pack(&subject, &package);
    assert!(!again.status.success(), "nothing is overwritten");
    let (code, told) = setting.verify(&package, &[]);
    assert_eq!(code, Some(0), "{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["case"]["transactions"], 4, "its enrolment and three payments: {told}");
    assert!(told["signer"]["subject"].as_str().unwrap().contains("O=bank-a"), "{told}");
    let of_bank = setting.path("bank.zip");
    assert!(setting.pack("bank-a", &of_bank).status.success());
    assert_eq!(setting.verify(&of_bank, &[]).0, Some(0));

    let folder = PathBuf::from(setting.path("unpacked"));
    let files = unpack(&package);
    for (name, bytes) in &files {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
    let summary = String::from_utf8(files["summary.html"].clone()).unwrap();
    assert!(summary.contains("AZ 7/2026 &lt;b&gt;") && !summary.contains("<b>"), "names are escaped");
    let genesis: Value = serde_json::from_slice(&fs::read(setting.genesis()).unwrap()).unwrap();
    let root = genesis["organisations"][0]["ca_certificates"][0].as_str().unwrap();
    fs::create_dir(folder.join("roots")).unwrap();
    fs::write(folder.join("roots/root.pem"), root).unwrap();
    the_tools_of_the_instruction_agree(&folder, &String::from_utf8(files["README.txt"].clone()).unwrap());

    let roots = folder.join("roots");
    assert_eq!(setting.verify(&package, &["--roots", roots.to_str().unwrap()]).0, Some(0));
    let other = genesis["organisations"][1]["ca_certificates"][0].as_str().unwrap();
    fs::write(roots.join("root.pem"), other).unwrap();
    let (code, told) = setting.verify(&package, &["--roots", roots.to_str().unwrap()]);
    assert!(code == Some(3) && told.contains("does not chain to a root"), "{told}");
    let proof = folder.join("proof/activity.json");
    let verified = setting.audit("verify", &[proof.to_str().unwrap(), "--genesis", setting.genesis()]);
    assert!(verified.status.success(), "{}", said(&verified));
}

/// The commands in README.txt, as they stand there.
fn the_tools_of_the_instruction_agree(folder: &Path, readme: &str) {
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {}", said(&output));
    };
    run("sha256sum", &["--check", "--quiet", "SHA256SUMS"]);
    let (_, after) = readme.split_once("openssl cms ").expect("the instruction has the command");
    let command =
        after.split("\n\n").next().unwrap().replace("\\\n", " ").replace("ROOT.pem", "roots/root.pem");
    let args: Vec<&str> = std::iter::once("cms").chain(command.split_whitespace()).collect();
    run("openssl", &args);
}

fn each_kind_of_file_that_is_altered_is_named(setting: &Setting) {
    let files = unpack(&setting.path("case.zip"));
    let kinds = [
        "README.txt",
        "SHA256SUMS",
        "case.json",
        "certificates/signer.pem",
        "genesis.json",
        "proof/activity.json",
        "proof/headers.json",
        "records/token_transfers.csv",
        "records/transactions.json",
        "summary.html",
    ];
    for name in kinds {
        let mut altered = files.clone();
        let bytes = altered.get_mut(name).unwrap_or_else(|| panic!("no {name}"));
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        assert_eq!(
            refused(setting, &altered),
            format!("{name} is not the one in the manifest: it was altered")
        );
        altered.remove(name);
        assert_eq!(refused(setting, &altered), format!("{name} is missing"));
    }
    let mut added = files.clone();
    added.insert("records/more.json".into(), b"[]".to_vec());
    assert_eq!(refused(setting, &added), "records/more.json is not in the manifest: it was added");
    let mut manifest = files.clone();
    let text = String::from_utf8(manifest["MANIFEST.json"].clone()).unwrap();
    manifest.insert("MANIFEST.json".into(), text.replacen("  ", "   ", 1).into_bytes());
    assert!(refused(setting, &manifest).contains("MANIFEST.json.p7s is not of MANIFEST.json"));
    let mut signature = files;
    signature.get_mut("MANIFEST.json.p7s").unwrap().truncate(100);
    assert!(refused(setting, &signature).contains("no signature"));
}

/// Whoever has the key can sign anything, and yet cannot make the proof say it.
fn a_signer_that_alters_records_is_found_out(setting: &Setting) {
    let files = unpack(&setting.path("case.zip"));
    let text = |name: &str| String::from_utf8(files[name].clone()).unwrap();
    let without_last = |text: &str, lines: usize| {
        let all: Vec<&str> = text.lines().collect();
        (all[..all.len() - lines].join("\n"), all.len())
    };
    let told = |change: &dyn Fn(&mut Files)| {
        let mut altered = files.clone();
        change(&mut altered);
        sign_again(setting, &mut altered);
        refused(setting, &altered)
    };
    assert_eq!(
        setting.verify(&packed_again(setting, &mut files.clone()), &[]).0,
        Some(0),
        "signing again is no harm"
    );

    let dropped = told(&|files| {
        let (json, _) = without_last(&text("records/transactions.json"), 2);
        let json = json.trim_end_matches(',').to_owned() + "\n]\n";
        files.insert("records/transactions.json".into(), json.into_bytes());
        let (csv, _) = without_last(&text("records/transactions.csv"), 1);
        files.insert("records/transactions.csv".into(), (csv + "\n").into_bytes());
    });
    assert!(dropped.contains("records/transactions.json lacks height"), "{dropped}");
    // The amount stands at the end of a line of either form.
    let altered =
        |name: &str| text(name).replace("\"250\"}", "\"999\"}").replace(",250\n", ",999\n").into_bytes();
    let (json, csv) = ("records/token_transfers.json", "records/token_transfers.csv");
    let amount = told(&|files| {
        files.insert(json.into(), altered(json));
        files.insert(csv.into(), altered(csv));
    });
    assert!(amount.contains("amount is 999, proven is 250"), "{amount}");
    let one_form = told(&|files| drop(files.insert(csv.into(), altered(csv))));
    assert_eq!(one_form, format!("{csv} does not say what {json} says"));
    let range = told(&|files| {
        files.insert(
            "case.json".into(),
            text("case.json").replacen("\"from\": 1", "\"from\": 2", 1).into_bytes(),
        );
    });
    assert!(range.contains("case.json tells from 2, proven is 1"), "{range}");
    let headers = told(&|files| {
        let headers = text("proof/headers.json").replacen("\"signatures\"", "\"signature\"", 1);
        files.insert("proof/headers.json".into(), headers.into_bytes());
    });
    assert!(headers.contains("proof/headers.json"), "{headers}");
    let proof = told(&|files| {
        let mut proof: Value = serde_json::from_str(&text("proof/activity.json")).unwrap();
        proof["blocks"].as_array_mut().unwrap().remove(0);
        files.insert("proof/activity.json".into(), proof.to_string().into_bytes());
    });
    assert!(proof.contains("is missing"), "{proof}");
    let stranger = told(&|files| drop(files.insert("records/seals.json".into(), b"[]\n".to_vec())));
    assert_eq!(stranger, "records/seals.json has no place in a package");
}

/// Makes the manifest and the signature anew, by other programs.
fn sign_again(setting: &Setting, files: &mut Files) {
    for name in ["MANIFEST.json", "MANIFEST.json.p7s", "SHA256SUMS"] {
        files.remove(name);
    }
    let sum = |bytes: &[u8]| hex::encode(openssl::sha::sha256(bytes));
    let sums: String = files.iter().map(|(name, bytes)| format!("{}  {name}\n", sum(bytes))).collect();
    files.insert("SHA256SUMS".into(), sums.into_bytes());
    let entries: Vec<Value> = files
        .iter()
        .map(|(name, bytes)| json!({ "name": name, "bytes": bytes.len(), "sha256": sum(bytes) }))
        .collect();
    let manifest = json!({ "format": "concordat-evidence-manifest", "version": 1, "files": entries });
    let (content, signature) = (setting.path("manifest"), setting.path("signature"));
    fs::write(&content, manifest.to_string()).unwrap();
    let signer = setting.network.account("bank-a/operator");
    let text = |name: &str| signer[name].as_str().unwrap();
    let passphrase = format!("file:{}", setting.network.info["passphrase_file"].as_str().unwrap());
    // What is above the leaf: it comes in by itself.
    let (above, chain) = (setting.path("above.pem"), fs::read_to_string(text("certificate")).unwrap());
    let (_, rest) = chain.split_once("-----END CERTIFICATE-----").unwrap();
    fs::write(&above, rest).unwrap();
    let output = Command::new("openssl")
        .args(["cms", "-sign", "-binary", "-outform", "DER", "-in", &content, "-out", &signature])
        .args(["-signer", text("certificate"), "-certfile", &above])
        .args(["-inkey", text("key"), "-passin", &passphrase])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    files.insert("MANIFEST.json".into(), manifest.to_string().into_bytes());
    files.insert("MANIFEST.json.p7s".into(), fs::read(&signature).unwrap());
}

fn packed_again(setting: &Setting, files: &mut Files) -> String {
    sign_again(setting, files);
    let package = setting.path("again.zip");
    pack(files, &package);
    package
}

/// The error with which altered files are found wrong.
fn refused(setting: &Setting, files: &Files) -> String {
    let package = setting.path("altered.zip");
    pack(files, &package);
    let (code, told) = setting.verify(&package, &[]);
    assert_eq!(code, Some(3), "{told}");
    serde_json::from_str::<Value>(&told).unwrap()["error"].as_str().unwrap().to_owned()
}

fn unpack(package: &str) -> Files {
    let mut archive = ZipArchive::new(Cursor::new(fs::read(package).unwrap())).unwrap();
    let mut files = Files::new();
    for place in 0..archive.len() {
        let mut entry = archive.by_index(place).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.name().unwrap().into_owned(), bytes);
    }
    files
}

fn pack(files: &Files, package: &str) {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    fs::write(package, writer.finish().unwrap().into_inner()).unwrap();
}
