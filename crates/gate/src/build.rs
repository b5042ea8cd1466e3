//! Builds revisions: always at the same dirs, with the target folder of the base as cache.
//!
//! `<area>/<key>/tree` holds the sources, `target` the build at work, `cache` the target folder
//! after the last build of a base. A candidate's build begins with a copy of `cache` and is never
//! kept: what a candidate leaves in a target folder can reach no other build. Files that are as in
//! the cache's tree carry an old time, all others a new one, so that a build tool that goes by
//! times (cargo, make, ninja) rebuilds exactly what the patch changed. One dirs for all builds
//! makes equal sources equal artefacts, even where paths are compiled in.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outpace_process::{
    Context, LaunchError, LaunchSpec, Limits, MachineLock, MachineUse, PristineDir, Reach, Subject,
    Waiting, copy_dependencies, copy_file, copy_tree, files_below, remove_file, remove_tree,
    touch_all, write_whole,
};
use outpace_record::{Event, Observer, SandboxConfig, WorkloadConfig};
use outpace_repo::{ExportOptions, LeftOut, Repo, RepoError};
use outpace_trial::waiting_event;
use sha2::{Digest, Sha256};

use crate::artefact::identity_of_file;
use crate::data::{Data, home};
use crate::placeholders::{filled, named};

/// A built revision, ready to be started.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    /// What `run` starts.
    pub(crate) run: Subject,
    /// What `evaluate` starts, if the workload has an evaluator.
    pub(crate) evaluate: Option<Subject>,
    /// What draws validation text.
    pub(crate) text: Option<Subject>,
    /// What `profile` starts.
    pub(crate) profile: Option<Subject>,
    /// What `verify` starts.
    pub(crate) verify: Option<Subject>,
    /// Hash over everything that it consists of when it runs.
    pub(crate) identity: String,
    /// The same without the files of the tree.
    pub(crate) program: String,
    /// Wall seconds of the build command; none for what this process has built before.
    pub(crate) build_s: f64,
    /// What training needs and git does not hold.
    pub(crate) data: Data,
    pristine: Arc<PristineDir>,
}

impl Built {
    /// Deletes its files; for candidates that were judged.
    pub(crate) fn discard(self) {
        self.pristine.remove();
    }
}

/// Why there is no build.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// The build command failed: the compiler's message.
    #[error("the build failed (exit code {code})\n{log}")]
    Failed {
        /// Exit code.
        code: i32,
        /// The last lines of its log.
        log: String,
    },
    /// The build command could not be run to its end.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// It said that all is well but left no artefact.
    #[error("the build left no {0}. Hint: is `run` the path that `build` writes to?")]
    NoArtefact(String),
    /// There is no folder to start in.
    #[error("there is no folder `{0}`, which `cwd` names")]
    NoFolder(String),
    /// What git does not hold is not here.
    #[error("{0}")]
    Data(String),
    /// The sources could not be written.
    #[error("cannot write the sources: {0}")]
    Sources(#[from] RepoError),
    /// The machine could not be locked for the build.
    #[error("cannot lock the machine: {0}")]
    Lock(io::Error),
    /// The disk failed us.
    #[error("{path}: {source}")]
    Disk {
        /// Where.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl BuildError {
    /// Whether this is the user's Ctrl-C.
    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(self, Self::Launch(LaunchError::Cancelled))
    }

    /// Whether the patch is to blame (the compiler refused it, or it never ended) and not the
    /// machine.
    pub(crate) fn is_patch(&self) -> bool {
        matches!(
            self,
            Self::Failed { .. }
                | Self::NoArtefact(_)
                | Self::NoFolder(_)
                | Self::Launch(LaunchError::Timeout { .. } | LaunchError::Start { .. })
        )
    }
}

/// Builds revisions of one repository.
pub(crate) struct Builder<'a> {
    repo: &'a Repo,
    /// A directory of ours; builds in it survive between calls of outpace.
    area: PathBuf,
    context: &'a Context,
    sandbox: SandboxConfig,
    bases: BTreeMap<(String, String), Built>,
    /// What the user was told of already.
    told: BTreeSet<LeftOut>,
}

impl<'a> Builder<'a> {
    /// The caller holds the repository's lock: what an earlier outpace left to run is deleted.
    pub(crate) fn new(repo: &'a Repo, context: &'a Context, sandbox: &SandboxConfig) -> Self {
        let area = repo.state_dir();
        // What cannot be deleted is overwritten when its turn comes.
        let _ = remove_tree(&area.join("run"));
        let _ = remove_tree(&area.join("kept"));
        Self {
            repo,
            area,
            context,
            sandbox: sandbox.clone(),
            bases: BTreeMap::new(),
            told: BTreeSet::new(),
        }
    }

    /// Builds the base: fetches what it needs, updates the cache. Repeated calls for one tree are
    /// free.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub(crate) fn base(
        &mut self,
        workload: &str,
        config: &WorkloadConfig,
        tree: &str,
        observer: &mut dyn Observer,
    ) -> Result<Built, BuildError> {
        if let Some(built) = self.known(workload, tree) {
            return Ok(built);
        }
        let key = (workload.to_owned(), tree.to_owned());
        let dirs = self.dirs(config)?;
        let mut build_s = 0.0;
        if config.build.is_empty() {
            self.write_sources(&dirs, tree, Some(tree), observer)?;
        } else {
            dirs.begin_from_cache()?;
            let cached = dirs.cached_tree();
            let pristine = cached.as_deref().or(Some(tree));
            self.write_sources(&dirs, tree, pristine, observer)?;
            if dirs.cached_tree().is_none() {
                self.begin_from_checkout(config, &dirs)?;
            }
            self.fetch(config, &dirs, observer)?;
            build_s = self.command(config, &dirs, observer)?;
            dirs.keep_as_cache(tree)?;
        }
        let target = if config.build.is_empty() {
            &dirs.target
        } else {
            &dirs.cache
        };
        let built = self.collect((workload, "base"), config, tree, &dirs, target, build_s)?;
        self.bases.insert(key, built.clone());
        Ok(built)
    }

    /// Builds a candidate from a copy of the base's cache; nothing of its target folder is kept but
    /// its artefacts.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub(crate) fn candidate(
        &self,
        workload: &str,
        config: &WorkloadConfig,
        tree: &str,
        observer: &mut dyn Observer,
    ) -> Result<Built, BuildError> {
        self.beside_the_cache((workload, "candidate"), config, tree, observer)
    }

    fn beside_the_cache(
        &self,
        (workload, role): (&str, &str),
        config: &WorkloadConfig,
        tree: &str,
        observer: &mut dyn Observer,
    ) -> Result<Built, BuildError> {
        let dirs = self.dirs(config)?;
        dirs.begin_from_cache()?;
        self.lay(tree, &dirs, dirs.cached_tree().as_deref())?;
        let built = self.built(config, &dirs, observer).and_then(|build_s| {
            self.collect((workload, role), config, tree, &dirs, &dirs.target, build_s)
        });
        let removed = remove_tree(&dirs.target).map_err(disk(&dirs.target));
        built.and_then(|built| removed.map(|()| built))
    }

    /// Builds a trusted revision that is not the base, such as the anchor, without touching the
    /// cache. Free when repeated.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub(crate) fn other(
        &mut self,
        workload: &str,
        config: &WorkloadConfig,
        tree: &str,
        observer: &mut dyn Observer,
    ) -> Result<Built, BuildError> {
        if let Some(built) = self.known(workload, tree) {
            return Ok(built);
        }
        let key = (workload.to_owned(), tree.to_owned());
        let built = self.beside_the_cache((workload, "other"), config, tree, observer)?;
        self.bases.insert(key, built.clone());
        Ok(built)
    }

    /// What this process has built already; that took no time now.
    pub(crate) fn known(&self, workload: &str, tree: &str) -> Option<Built> {
        let built = self.bases.get(&(workload.to_owned(), tree.to_owned()))?;
        Some(Built {
            build_s: 0.0,
            ..built.clone()
        })
    }

    /// Deletes the files of a revision that was built as the base and is not needed any more; what
    /// the cache holds of it stays.
    pub(crate) fn forget(&mut self, workload: &str, tree: &str) {
        if let Some(built) = self.bases.remove(&(workload.to_owned(), tree.to_owned())) {
            built.discard();
        }
    }

    fn built(
        &self,
        config: &WorkloadConfig,
        dirs: &BuildDirs,
        observer: &mut dyn Observer,
    ) -> Result<f64, BuildError> {
        if config.build.is_empty() {
            Ok(0.0)
        } else {
            self.command(config, dirs, observer)
        }
    }

    /// Makes `dir` hold the files of `tree` that match `only`. A file that is as in the tree
    /// `pristine` gets an old, fixed time, any other the present one; a file that is already right
    /// is left alone.
    fn export(
        &self,
        tree: &str,
        dir: &Path,
        only: &[String],
        pristine: Option<&str>,
    ) -> Result<Vec<LeftOut>, BuildError> {
        fs::create_dir_all(dir).map_err(disk(dir))?;
        let options = ExportOptions {
            only: only.to_vec(),
            pristine: pristine.map(str::to_owned),
            keep: Vec::new(),
        };
        Ok(self.repo.export(tree, dir, &options)?)
    }

    /// A build beside a measurement would slow it.
    fn lock_for_work(&self, observer: &mut dyn Observer) -> Result<MachineLock, BuildError> {
        let on_wait = &mut |waiting: &Waiting| observer.on(&waiting_event(waiting));
        let locked = self.context.lock_machine(MachineUse::Work, on_wait);
        locked.map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => BuildError::Launch(LaunchError::Cancelled),
            _ => BuildError::Lock(error),
        })
    }

    fn dirs(&self, config: &WorkloadConfig) -> Result<BuildDirs, BuildError> {
        let data = Data::of(config, self.repo.root(), home().as_deref());
        let data = data.map_err(BuildError::Data)?;
        Ok(BuildDirs::of(&self.area, config, data))
    }

    /// All sources of a revision and the data beside them; says what is missing.
    fn lay(
        &self,
        tree: &str,
        dirs: &BuildDirs,
        pristine: Option<&str>,
    ) -> Result<Vec<LeftOut>, BuildError> {
        let left_out = self.export(tree, &dirs.tree, &["**".into()], pristine)?;
        dirs.data.lay(&dirs.tree).map_err(disk(&dirs.tree))?;
        Ok(left_out)
    }

    /// The same for a trusted revision, of which the user is told what is missing.
    fn write_sources(
        &mut self,
        dirs: &BuildDirs,
        tree: &str,
        pristine: Option<&str>,
        observer: &mut dyn Observer,
    ) -> Result<(), BuildError> {
        for file in self.lay(tree, dirs, pristine)? {
            // Data stands in for a link that leads out.
            let is_there = fs::symlink_metadata(dirs.tree.join(&file.path)).is_ok();
            if (!is_there || !file.is_link()) && self.told.insert(file.clone()) {
                let text = file.to_string();
                observer.on(&Event::Note { text });
            }
        }
        Ok(())
    }

    /// The first build of a repository takes the dependencies that the user has compiled already.
    /// The user's own code is compiled anew: all sources get the present time, for nobody knows
    /// which revision that folder was built from.
    fn begin_from_checkout(
        &self,
        config: &WorkloadConfig,
        dirs: &BuildDirs,
    ) -> Result<(), BuildError> {
        let Some(from) = config
            .cache_from
            .as_ref()
            .map(|path| self.repo.root().join(path))
        else {
            return Ok(());
        };
        if !from.is_dir() {
            return Ok(());
        }
        if copy_dependencies(&from, &dirs.target).is_err() {
            // Somebody compiles there right now: begin from nothing.
            remove_tree(&dirs.target).map_err(disk(&dirs.target))?;
            fs::create_dir_all(&dirs.target).map_err(disk(&dirs.target))?;
        }
        touch_all(&dirs.tree).map_err(disk(&dirs.tree))
    }

    fn fetch(
        &self,
        config: &WorkloadConfig,
        dirs: &BuildDirs,
        observer: &mut dyn Observer,
    ) -> Result<(), BuildError> {
        if config.fetch.is_empty() {
            return Ok(());
        }
        self.launch(&config.fetch, config, dirs, true, observer)
            .map(|_| ())
    }

    /// Builds. What an earlier build left at the places of the artefacts goes first: a build that
    /// does not write them again must not pass off old ones.
    fn command(
        &self,
        config: &WorkloadConfig,
        dirs: &BuildDirs,
        observer: &mut dyn Observer,
    ) -> Result<f64, BuildError> {
        for path in artefacts(config) {
            let path = dirs.target.join(path);
            let removed = if path.is_dir() {
                remove_tree(&path)
            } else {
                remove_file(&path)
            };
            removed.map_err(disk(&path))?;
        }
        self.launch(&config.build, config, dirs, false, observer)
    }

    fn launch(
        &self,
        command: &[String],
        config: &WorkloadConfig,
        dirs: &BuildDirs,
        online: bool,
        observer: &mut dyn Observer,
    ) -> Result<f64, BuildError> {
        let _machine = self.lock_for_work(observer)?;
        let scratch = self.context.fresh_scratch().map_err(disk(&dirs.tree))?;
        let mut env: BTreeMap<String, OsString> = config
            .env
            .iter()
            .map(|(k, v)| (k.clone(), v.into()))
            .collect();
        // For build tools, and for scripts, in which a path with a space needs quotes.
        env.insert("CARGO_TARGET_DIR".into(), dirs.target.clone().into());
        env.insert("OUTPACE_TARGET".into(), dirs.target.clone().into());
        env.insert("OUTPACE_TREE".into(), dirs.tree.clone().into());
        if !online {
            env.insert("CARGO_NET_OFFLINE".into(), "true".into());
        }
        let spec = LaunchSpec {
            command: filled(command, &dirs.target, &dirs.tree),
            cwd: folder_of(config, &dirs.tree)?,
            scratch: scratch.path().to_owned(),
            env,
            // Fetching is the base's own command and may need the user's proxy and certificates.
            inherit_env: online,
            limits: Limits::default(),
            home_links: dirs.data.home_links(),
            // With the network, and the user's own environment, nothing would be kept in.
            reach: (!online).then(|| self.reach(config, &dirs.data, &[&dirs.tree, &dirs.target])),
        };
        let finished = self.context.launcher.run(&spec, config.build_timeout)?;
        if finished.code != 0 {
            return Err(BuildError::Failed {
                code: finished.code,
                log: finished.log_tail(),
            });
        }
        Ok(finished.seconds)
    }

    /// What programs of a workload can reach: their own folders, its data, what the base's
    /// configuration names by its path, and what `[sandbox]` adds.
    fn reach(&self, config: &WorkloadConfig, data: &Data, own: &[&Path]) -> Reach {
        let own = own.iter().map(|path| path.to_path_buf());
        let named = config.env.values().chain(&config.run).chain(&config.build);
        let named = named.flat_map(|text| text.split(':')).map(PathBuf::from);
        let named = named.filter(|path| path.is_absolute() && path.exists());
        let read = data.sources().chain(self.sandbox.read.iter().cloned());
        Reach {
            read: read.chain(named).collect(),
            write: own.chain(self.sandbox.write.iter().cloned()).collect(),
            network: false,
        }
    }

    /// The folder that what runs starts in. It may hold nothing that `reads` names.
    fn own_folder(
        &self,
        config: &WorkloadConfig,
        tree: &str,
        own_tree: &Path,
    ) -> Result<PathBuf, BuildError> {
        let below = config.folder();
        let folder = own_tree.join(&below);
        if !folder.is_dir() {
            let files = self.repo.list(tree, &["**".to_owned()])?;
            if files.iter().any(|file| Path::new(file).starts_with(&below)) {
                fs::create_dir_all(&folder).map_err(disk(&folder))?;
            }
        }
        folder_of(config, own_tree)
    }

    /// Copies what runs to a dirs of its own: the artefacts that the commands name, and the files
    /// that the program reads.
    fn collect(
        &self,
        (workload, role): (&str, &str),
        config: &WorkloadConfig,
        tree: &str,
        dirs: &BuildDirs,
        target: &Path,
        build_s: f64,
    ) -> Result<Built, BuildError> {
        // Equal lengths of all names: the size of arguments and environment moves the stack, and
        // that moves timings.
        let name = hex::encode(Sha256::digest(format!(
            "{workload}\n{role}\n{tree}\n{}",
            dirs.key
        )));
        let folder = self.area.join("run").join(&name[..16]);
        remove_tree(&folder).map_err(disk(&folder))?;
        let (own_target, own_tree) = (folder.join("target"), folder.join("tree"));
        fs::create_dir_all(&own_target).map_err(disk(&own_target))?;
        fs::create_dir_all(&own_tree).map_err(disk(&own_tree))?;
        for path in artefacts(config) {
            copy_artefact(target, &path, &own_target.join(&path))?;
        }
        self.export(tree, &own_tree, &with_folders(&config.reads), Some(tree))?;
        dirs.data.lay(&own_tree).map_err(disk(&own_tree))?;
        let cwd = self.own_folder(config, tree, &own_tree)?;
        let identity = identity_of_folder(&folder)?;
        let program = identity_of_folder(&own_target)?;
        let kept = self.area.join("kept").join(&name[..16]);
        let pristine = PristineDir::snapshot(&folder, &kept).map_err(disk(&kept))?;
        let pristine = Arc::new(pristine);
        let subject = |command: &[String]| {
            (!command.is_empty()).then(|| Subject {
                command: filled(command, &own_target, &own_tree),
                cwd: cwd.clone(),
                env: environment(config),
                limits: limits(config),
                timeout: config.timeout,
                inherit_env: false,
                ok_exit_codes: vec![0],
                fresh: named(command)
                    .map(|path| own_target.join(path))
                    .filter(|path| path.is_file())
                    .collect(),
                pristine: Some(Arc::clone(&pristine)),
                home_links: dirs.data.home_links(),
                reach: Some(self.reach(config, &dirs.data, &[&folder])),
                prepare: Vec::new(),
            })
        };
        Ok(Built {
            run: subject(&config.run).expect("a workload without `run` is no valid configuration"),
            evaluate: subject(&config.evaluate),
            text: subject(&config.text),
            profile: subject(&config.profile),
            verify: subject(&config.verify),
            identity,
            program,
            build_s,
            pristine,
            data: dirs.data.clone(),
        })
    }
}

/// The folder that a workload's commands start in.
fn folder_of(config: &WorkloadConfig, tree: &Path) -> Result<PathBuf, BuildError> {
    let folder = match config.cwd.is_empty() {
        true => tree.to_owned(),
        false => tree.join(&config.cwd),
    };
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(BuildError::NoFolder(config.cwd.clone())),
    }
}

/// What libraries read how many threads to start from.
const THREADS: [&str; 5] = [
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
];

/// `env` of the workload, with what `threads` means to libraries that it does not name.
fn environment(config: &WorkloadConfig) -> BTreeMap<String, String> {
    let mut env = config.env.clone();
    if let Some(threads) = config.threads {
        for name in THREADS {
            let own = env.entry(name.to_owned());
            own.or_insert_with(|| threads.to_string());
        }
    }
    env
}

fn limits(config: &WorkloadConfig) -> Limits {
    Limits {
        memory_mib: config.memory_mib,
        cores: config.pin.then(|| config.threads.unwrap_or(usize::MAX)),
        ..Limits::default()
    }
}

/// The folders of one build command.
struct BuildDirs {
    key: String,
    tree: PathBuf,
    target: PathBuf,
    cache: PathBuf,
    cached: PathBuf,
    /// What is laid beside the sources.
    data: Data,
}

impl BuildDirs {
    fn of(area: &Path, config: &WorkloadConfig, data: Data) -> Self {
        let mut commands = format!("{:?} {:?} {:?}", config.fetch, config.build, config.env);
        // One that is not named changes nothing about builds that older versions left.
        if !config.cwd.is_empty() {
            commands.push_str(&config.cwd);
        }
        let key = hex::encode(Sha256::digest(commands))[..12].to_owned();
        let root = area.join("build").join(&key);
        let at = |name: &str| root.join(name);
        Self {
            tree: at("tree"),
            target: at("target"),
            cache: at("cache"),
            cached: at("cached-tree"),
            key,
            data,
        }
    }

    fn cached_tree(&self) -> Option<String> {
        fs::read_to_string(&self.cached)
            .ok()
            .filter(|_| self.cache.is_dir())
    }

    fn begin_from_cache(&self) -> Result<(), BuildError> {
        remove_tree(&self.target).map_err(disk(&self.target))?;
        if self.cached_tree().is_some() {
            return copy_tree(&self.cache, &self.target).map_err(disk(&self.target));
        }
        fs::create_dir_all(&self.target).map_err(disk(&self.target))
    }

    /// The note of the tree is removed first and written last, so that a kill in between leaves no
    /// cache with a wrong note.
    fn keep_as_cache(&self, tree: &str) -> Result<(), BuildError> {
        match fs::remove_file(&self.cached) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(disk(&self.cached)(error));
            }
            _ => {}
        }
        remove_tree(&self.cache).map_err(disk(&self.cache))?;
        fs::rename(&self.target, &self.cache).map_err(disk(&self.cache))?;
        write_whole(&self.cached, tree.as_bytes()).map_err(disk(&self.cached))
    }
}

/// The name of a folder means all that is in it; a pattern means what it says.
fn with_folders(patterns: &[String]) -> Vec<String> {
    let names = patterns
        .iter()
        .filter(|name| !name.contains(['*', '?', '[', '{']));
    let inside = names.map(|name| format!("{}/**", name.trim_end_matches('/')));
    patterns.iter().cloned().chain(inside).collect()
}

/// Paths below `{target}` that the workload's commands name.
fn artefacts(config: &WorkloadConfig) -> Vec<String> {
    let commands = [
        &config.run,
        &config.evaluate,
        &config.text,
        &config.profile,
        &config.verify,
    ];
    let mut paths: Vec<String> = commands
        .into_iter()
        .flat_map(|command| named(command))
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// A link that leads out of the target folder would have the user's own files copied to where the
/// program can read them.
fn copy_artefact(target: &Path, path: &str, to: &Path) -> Result<(), BuildError> {
    let from = &target.join(path);
    let leads_out = match (target.canonicalize(), from.canonicalize()) {
        (Ok(target), Ok(real)) => !real.starts_with(target),
        _ => false,
    };
    if leads_out {
        return Err(BuildError::NoArtefact(format!(
            "{} but a link that leads out of its target folder",
            from.display()
        )));
    }
    // Of a pipe a copy never ends, and a socket has none.
    if fs::metadata(from).is_ok_and(|kind| !(kind.is_file() || kind.is_dir())) {
        return Err(BuildError::NoArtefact(format!(
            "{} but something that is no file",
            from.display()
        )));
    }
    let copied = if from.is_dir() {
        copy_tree(from, to)
    } else {
        copy_file(from, to)
    };
    copied.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => BuildError::NoArtefact(from.display().to_string()),
        _ => disk(from)(error),
    })
}

/// Hash over names and identities of all files: what the program consists of and what it can read.
fn identity_of_folder(folder: &Path) -> Result<String, BuildError> {
    let mut hash = Sha256::new();
    for path in files_below(folder).map_err(disk(folder))? {
        let full = folder.join(&path);
        let identity = match fs::read_link(&full) {
            Ok(target) => format!("link {}", target.display()),
            Err(_) => identity_of_file(&full).map_err(disk(&full))?,
        };
        hash.update(format!("{}\n{identity}\n", path.display()));
    }
    Ok(hex::encode(hash.finalize()))
}

fn disk(path: &Path) -> impl Fn(io::Error) -> BuildError {
    let path = path.display().to_string();
    move |source| BuildError::Disk {
        path: path.clone(),
        source,
    }
}
