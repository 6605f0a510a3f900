//! Finds libtenon: in the folder that TENON_LIB_DIR names, in the source tree's build, or by pkg-config.
use std::env;
use std::path::{Path, PathBuf};

/// The ABI version that src/bindings.rs was made from; part of the library's name.
const SONAME: &str = "libtenon.so.0";

fn main() {
    println!("cargo:rerun-if-env-changed=TENON_LIB_DIR");
    println!("cargo:rerun-if-env-changed=DOCS_RS");
    if env::var_os("DOCS_RS").is_some() {
        return;
    }
    let named = env::var_os("TENON_LIB_DIR").map(PathBuf::from);
    if let Some(folder) = named.or_else(in_tree) {
        if !folder.join(SONAME).exists() {
            panic!("{} is not in {}", SONAME, folder.display());
        }
        link(&folder);
        return;
    }
    let found = pkg_config::Config::new().atleast_version("0.1").probe("tenon");
    match found {
        Ok(library) => {
            if let Some(folder) = library.link_paths.first() {
                println!("cargo:libdir={}", folder.display());
            }
        }
        Err(error) => panic!(
            "libtenon was not found: build it in the source tree (`make build`), install it where pkg-config looks, \
             or name its folder in TENON_LIB_DIR. {error}"
        ),
    }
}

/// The build of the source tree that this crate lies in.
fn in_tree() -> Option<PathBuf> {
    let root = Path::new(&env::var_os("CARGO_MANIFEST_DIR")?).join("../../..").canonicalize().ok()?;
    let folder = root.join("build");
    let built = root.join("include/tenon/tenon.h").exists() && folder.join(SONAME).exists();
    built.then_some(folder)
}

fn link(folder: &Path) {
    println!("cargo:rustc-link-search=native={}", folder.display());
    println!("cargo:rustc-link-lib=dylib=tenon");
    // For this crate's own tests; a crate above it reads DEP_TENON_LIBDIR and does the same for its own.
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
    println!("cargo:libdir={}", folder.display());
}
