//! Lets this crate's tests, examples and programs find libtenon where tenon-sys found it.
fn main() {
    println!("cargo:rerun-if-env-changed=DEP_TENON_LIBDIR");
    if let Ok(folder) = std::env::var("DEP_TENON_LIBDIR") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
        println!("cargo:libdir={folder}");
    }
}
