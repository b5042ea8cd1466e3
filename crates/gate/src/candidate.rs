//! What a request names, found in the repository.

use outpace_record::{GateRequest, Kind};
use outpace_repo::{Commit, Patch, RepoError};

use crate::verdict::Draft;
use crate::{GateError, Harness};

/// The candidate of a request.
pub(crate) struct Candidate<'a> {
    pub(crate) request: &'a GateRequest,
    pub(crate) base: Commit,
    pub(crate) tree: String,
    pub(crate) patch: Patch,
}

/// What a gate has spent so far.
#[derive(Default)]
pub(crate) struct Spent {
    pub(crate) timed: bool,
    pub(crate) build_s: f64,
    pub(crate) check_s: f64,
    /// Record id of the test that was begun last and has no result yet.
    pub(crate) test: Option<String>,
    /// What that test goes on from: its verdict and record.
    pub(crate) before: Option<(Kind, String)>,
}

impl Harness<'_> {
    /// The verdict on a workload, before it is settled.
    pub(crate) fn draft(&self, of: &Candidate<'_>, name: &str) -> Result<Draft, GateError> {
        let request = of.request;
        let rule = request.rule.for_one_of(request.workloads.len());
        let track = self.workload(name)?.track;
        let surroundings = self.surroundings();
        let base = &of.base.id;
        let draft = Draft::new(name, track, &rule, base, request.seed, surroundings);
        Ok(draft.of_patch(request, &of.tree, &of.patch))
    }

    /// Finds the commit and the tree; what is judged is their difference, whatever the request says
    /// of it. The inner error is the patch's.
    pub(crate) fn find<'r>(
        &self,
        request: &'r GateRequest,
    ) -> Result<Result<Candidate<'r>, RepoError>, GateError> {
        let base = self.repo.resolve(&request.base)?;
        let patch = match self.repo.patch_between(&base.tree, &request.tree) {
            Err(RepoError::NoTree { .. }) => match self.repo.apply(&base.tree, &request.patch) {
                Ok(tree) if tree == request.tree => self.repo.patch_between(&base.tree, &tree)?,
                Ok(tree) => {
                    return Err(GateError::Usage(format!(
                        "the request's patch gives tree {tree}, not {}. Hint: was it changed?",
                        request.tree
                    )));
                }
                Err(error) if error.is_environment() => return Err(error.into()),
                Err(error) => return Ok(Err(error)),
            },
            other => other?,
        };
        let tree = request.tree.clone();
        Ok(Ok(Candidate {
            request,
            base,
            tree,
            patch,
        }))
    }
}
