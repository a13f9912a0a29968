//! The migrations are part of the program: whoever changes one makes it anew.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
