//! The instruction in a package: how to check it with programs of others.

use crate::case::Case;

/// The text for a package. It needs nothing of ours until its last step.
pub(crate) fn text(case: &Case) -> String {
    let Case { case: reference, chain_id, subject, from, to, genesis_hash, transactions, signed_by, .. } =
        case;
    let (height, hash, at) = (signed_by.height, &signed_by.hash, signed_by.time_secs);
    format!(
        "EVIDENCE PACKAGE\n\n\
         Case     {reference}\n\
         Chain    {chain_id}\n\
         Genesis  {genesis_hash}\n\
         Subject  {subject}\n\
         Blocks   {from} to {to}: {transactions} transactions, all in which the subject had a part\n\
         Signed   by the state that block {height} {hash} commits to\n\n\
         {BODY}\n\
         3. The signature. genesis.json names the roots of the members; ROOT.pem is that of the signer's organisation, or\n\
         \x20  the root of the authority that signs, obtained from it and not from this package:\n\n\
         \x20  openssl cms -verify -binary -inform DER -in MANIFEST.json.p7s -content MANIFEST.json \\\n\
         \x20      -CAfile ROOT.pem -purpose any -attime {at} -out /dev/null\n\n\
         \x20  openssl x509 -in certificates/signer.pem -noout -subject -issuer -dates -fingerprint -sha256\n\n\
         {END}"
    )
}

const BODY: &str = "\
What is in it

  summary.html        for people; prints on paper; the words of whoever made this package
  records/            what the ledger says, each table as .json and .csv
  proof/activity.json the proof that no transaction was left out
  proof/headers.json  the blocks' headers with the validators' signatures that it rests on
  genesis.json        the document that started the chain: its validators, its members' root certificates
  certificates/       the certificate of whoever signed, and the authorities above
  MANIFEST.json       size and SHA-256 of each file; MANIFEST.json.p7s is the signature over it

What is proven, and what is said

  transactions, logs, decoded_events, token_transfers and alerts are proven: the proof contains each transaction with
  its receipt, and these tables follow from them alone. All other tables are what the database of the signer says; its
  digest stands in case.json, and whoever has a node makes the same rows again (concordat audit verify-projection).

How to check it

1. The genesis document. Compare the hash above with the members of the consortium, by a way of your own:
   the hash is SHA-256 over the document as compact JSON in the order of its fields.

2. The files:

   sha256sum -c SHA256SUMS
   and compare SHA256SUMS with MANIFEST.json, which names each file likewise.
";

const END: &str = "\
4. The blocks. proof/headers.json holds CometBFT headers, commits and validator sets, in the JSON of the Rust crate
   tendermint. Any CometBFT light client verifies them, beginning with the validators in genesis.json.

5. That nothing was left out, and that the records say what is proven, with this program, on a machine without a network:

   concordat audit verify-evidence PACKAGE.zip --genesis YOUR-OWN-genesis.json [--roots FOLDER-WITH-ROOT.pem]
   concordat audit verify proof/activity.json --genesis YOUR-OWN-genesis.json

   How the proof works, byte by byte, is in docs/regulator.md of the program's source.
";
