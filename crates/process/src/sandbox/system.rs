//! What every program needs of the machine: system libraries, compilers, interpreters, devices; and
//! nothing of the user's.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Tier;
use crate::program::found;

/// Folders of the system.
const FOLDERS: [&str; 15] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/gnu/store",
    "/run/opengl-driver",
    "/run/current-system",
    "/sys",
    "/proc",
    "/snap",
];

/// Of `/etc`, where root's secrets lie too, only what libraries and compilers look at.
const ETC: [&str; 36] = [
    "OpenCL",
    "adjtime",
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "conda",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "group",
    "host.conf",
    "hostname",
    "hosts",
    "inputrc",
    "java-17-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "ld.so.preload",
    "locale.alias",
    "localtime",
    "lsb-release",
    "mime.types",
    "nsswitch.conf",
    "nvidia",
    "os-release",
    "passwd",
    "pki/tls",
    "profile",
    "protocols",
    "python3",
    "resolv.conf",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
];

/// Files that build tools look for in all folders above the one they run in. Where one is seen and
/// cannot be read, they give up.
const UPWARDS: [&str; 12] = [
    ".cargo/config",
    ".cargo/config.toml",
    ".python-version",
    ".tool-versions",
    "Cargo.lock",
    "Cargo.toml",
    "package.json",
    "pyproject.toml",
    "pytest.ini",
    "rust-toolchain",
    "rust-toolchain.toml",
    "setup.cfg",
];

/// Of cargo's home, all but credentials.
const CARGO: [&str; 6] = ["bin", "config", "config.toml", "env", "git", "registry"];

/// Devices that anybody may use.
const DEVICES: [&str; 6] = [
    "/dev/full",
    "/dev/null",
    "/dev/random",
    "/dev/tty",
    "/dev/urandom",
    "/dev/zero",
];

/// Devices of GPUs begin so.
const GPU_DEVICES: [&str; 4] = ["nvidia", "kfd", "dri", "dxg"];

/// What a program that is called so and runs in `cwd` may read.
pub(super) fn readable(tier: Tier, program: &str, cwd: &Path) -> Vec<PathBuf> {
    // It stays what it is while outpace runs, and is asked for at each start.
    static ALWAYS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let always = ALWAYS.get_or_init(|| {
        let folders = FOLDERS.iter().map(PathBuf::from);
        let etc = ETC.iter().map(|name| Path::new("/etc").join(name));
        with_real(folders.chain(etc).chain(toolchains()))
    });
    let mut own = program_folders(program, cwd);
    // In a namespace of its own nothing is seen that is not given.
    if tier == Tier::Landlock {
        own.extend(above(cwd));
    }
    let own = with_real(own.into_iter());
    always.iter().cloned().chain(own).collect()
}

/// What is there of it, and what links lead to; a link itself may lie in a folder that is there
/// anyway.
pub(super) fn with_real(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let there = paths.filter_map(|path| Some([path.canonicalize().ok()?, path]));
    let there = there.flatten();
    there.filter(|path| path.parent().is_some()).collect()
}

/// Files for build tools in the folders above.
fn above(cwd: &Path) -> Vec<PathBuf> {
    let folders = cwd.ancestors().skip(1);
    let files = folders.flat_map(|folder| UPWARDS.iter().map(|name| folder.join(name)));
    files.filter(|path| path.is_file()).collect()
}

/// Compilers and interpreters that live in the user's home, by the variables that say where.
pub(crate) fn homes() -> BTreeMap<&'static str, OsString> {
    let user_home = std::env::var_os("HOME").map(PathBuf::from);
    let mut homes = BTreeMap::new();
    for (name, folder) in [
        ("CARGO_HOME", ".cargo"),
        ("RUSTUP_HOME", ".rustup"),
        ("PYENV_ROOT", ".pyenv"),
    ] {
        let default = user_home.as_ref().map(|home| home.join(folder));
        let default = default.filter(|path| path.is_dir()).map(Into::into);
        if let Some(value) = std::env::var_os(name).or(default) {
            homes.insert(name, value);
        }
    }
    homes
}

fn toolchains() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for (name, home) in homes() {
        let home = PathBuf::from(home);
        match name {
            "CARGO_HOME" => paths.extend(CARGO.iter().map(|part| home.join(part))),
            _ => paths.push(home),
        }
    }
    for name in ["CUDA_HOME", "CUDA_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"] {
        paths.extend(std::env::var_os(name).map(PathBuf::from));
    }
    for name in ["PATH", "LD_LIBRARY_PATH"] {
        let list = std::env::var_os(name).unwrap_or_default();
        paths.extend(std::env::split_paths(&list).filter_map(|folder| installed_at(&folder)));
    }
    paths
}

/// The folder of a program, and of what it is a link to: an environment's `python` belongs to an
/// installation elsewhere.
fn program_folders(program: &str, cwd: &Path) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = [program, "python3", "python"];
    let files = programs
        .into_iter()
        .filter_map(|name| found(name, cwd, &path));
    let real = files.filter_map(|file| Some((file.clone(), file.canonicalize().ok()?)));
    let folders = real.flat_map(|(file, real)| [file, real]);
    let folders = folders.filter_map(|file| installed_at(file.parent()?));
    folders.collect()
}

/// Of `PREFIX/bin` the prefix, where the libraries lie; else the folder itself. Never a home
/// directory, what lies above one, or a hidden folder in one, which hold more than programs.
fn installed_at(folder: &Path) -> Option<PathBuf> {
    let is_home = |path: &Path| {
        let own = std::env::var_os("HOME").map(PathBuf::from);
        let real = own.as_ref().and_then(|home| home.canonicalize().ok());
        let homes = own.into_iter().chain(real).chain(["/root".into()]);
        homes.into_iter().any(|home| home.starts_with(path))
            || path.parent() == Some("/home".as_ref())
    };
    let is_hidden = |path: &Path| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        name.starts_with(b".") && path.parent().is_some_and(is_home)
    };
    let is_of_programs = |path: &&Path| {
        let is_top = path.parent().is_none_or(|parent| parent.parent().is_none());
        let is_system = FOLDERS.iter().any(|known| path == &Path::new(known));
        path.is_absolute() && !is_home(path) && !is_hidden(path) && (!is_top || is_system)
    };
    let prefix = folder.parent().filter(|_| folder.ends_with("bin"));
    let is_shared = |prefix: &&Path| prefix.ends_with(".local");
    let prefix = prefix
        .filter(|prefix| !is_shared(prefix))
        .filter(is_of_programs);
    prefix
        .or(Some(folder).filter(is_of_programs))
        .map(Path::to_owned)
}

/// `bwrap`. A relative folder of PATH, which could be the program's own, is one below the root.
pub(super) fn bwrap() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    found("bwrap", Path::new("/"), &path)
}

/// Devices that a program may open: those of anybody, and GPUs.
pub(super) fn devices() -> Vec<PathBuf> {
    let names = DEVICES.iter().map(PathBuf::from);
    names
        .filter(|path| path.exists())
        .chain(gpu_devices())
        .collect()
}

/// Devices of GPUs.
pub(super) fn gpu_devices() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/dev") else {
        return Vec::new();
    };
    let is_gpu = |name: &str| GPU_DEVICES.iter().any(|start| name.starts_with(start));
    let entries = entries.filter_map(Result::ok);
    let gpus = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_gpu));
    let mut gpus: Vec<PathBuf> = gpus.map(|entry| entry.path()).collect();
    gpus.sort();
    gpus
}

/// What the user can do about a machine that confines nothing.
pub(super) fn way_out() -> String {
    let restricted = fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    if restricted.is_ok_and(|value| value.trim() == "1") {
        return "AppArmor forbids user namespaces here; let bubblewrap have them: \
                `sudo ln -s /usr/share/apparmor/extra-profiles/bwrap-userns-restrict \
                /etc/apparmor.d/ && sudo apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict` \
                (package apparmor-profiles)"
            .to_owned();
    }
    "install bubblewrap (package `bubblewrap`), or take Linux 6.12 or newer, whose Landlock \
     suffices; in a container both may be forbidden (docs/sandbox.md)"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_its_prefix_and_a_home_is_none() {
        let at = |folder: &str| installed_at(Path::new(folder));
        let is = |folder: &str, at_folder: &str| {
            assert_eq!(
                at(folder).as_deref(),
                Some(Path::new(at_folder)),
                "{folder}"
            );
        };
        is("/home/u/miniconda3/bin", "/home/u/miniconda3");
        is("/home/u/.local/bin", "/home/u/.local/bin");
        is("/home/u/project/.venv/bin", "/home/u/project/.venv");
        is("/bin", "/bin");
        is("/usr/bin", "/usr");
        is("/home/u/tools", "/home/u/tools");
        is("/home/u/bin", "/home/u/bin");
        let home = std::env::var("HOME").unwrap();
        is(&format!("{home}/bin"), &format!("{home}/bin"));
        // Of cargo's home, and of others' like it, no more than the programs.
        is(&format!("{home}/.cargo/bin"), &format!("{home}/.cargo/bin"));
        for none in [
            &home[..],
            "/",
            "/home",
            "/home/u",
            "bin",
            "",
            "/root",
            "/data",
        ] {
            assert_eq!(at(none), None, "{none}");
        }
    }

    #[test]
    fn what_can_be_read_has_no_credentials_and_no_home() {
        let read = readable(Tier::Landlock, "sh", Path::new("/tmp"));
        let home = PathBuf::from(std::env::var_os("HOME").unwrap());
        let cargo = homes()
            .get("CARGO_HOME")
            .map(PathBuf::from)
            .unwrap_or_default();
        let credentials = cargo.join("credentials.toml");
        let secrets = [
            Path::new("/etc/shadow"),
            Path::new("/home/u/x"),
            &credentials,
        ];
        for secret in secrets.into_iter().chain([&*home.join("x")]) {
            let by = read.iter().find(|path| secret.starts_with(path));
            assert_eq!(by, None, "{}", secret.display());
        }
    }
}
