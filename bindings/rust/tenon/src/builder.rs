//! Builders: a network becomes a plan.
use crate::blob::Blob;
use crate::device::Device;
use crate::error::{callback_error, check, text, BoxError, Result};
use crate::logger::Logger;
use crate::network::Network;
use crate::types::{any_thread, c_text, dims_of, handle, made, value, Limit, Precision, ShapeSelector};
use tenon_sys::*;

handle! {
    /// Makes networks and plans. Builds may run beside each other.
    Builder: tn_builder_t, tn_builder_destroy
}
handle! {
    /// How a plan is to be built. A build takes what it needs when it starts.
    BuilderConfig: tn_builder_config_t, tn_builder_config_destroy
}
handle! {
    /// For which input shapes a plan is made.
    OptimizationProfile: tn_optimization_profile_t, tn_optimization_profile_destroy
}
handle! {
    /// What builds have measured, for later builds, also while builds use it.
    TimingCache: tn_timing_cache_t, tn_timing_cache_destroy
}
any_thread!(Builder, BuilderConfig, OptimizationProfile, TimingCache);

impl Builder {
    /// Without a logger and with the library's limits.
    pub fn new() -> Result<Builder> {
        Ok(Builder { raw: made(|out| unsafe { tn_builder_create(out) })? })
    }

    /// Sets where messages of imports and builds go, from the next one on; `None`: nowhere.
    pub fn set_logger(&self, logger: Option<&Logger>) -> Result<()> {
        check(unsafe { tn_builder_set_logger(self.raw, logger.map_or(std::ptr::null_mut(), |logger| logger.raw)) })
    }

    /// Sets a limit for models that are imported and plans that are built.
    pub fn set_limit(&self, limit: Limit, value: i64) -> Result<()> {
        check(unsafe { tn_builder_set_limit(self.raw, limit.to_raw(), value) })
    }

    /// A limit.
    pub fn limit(&self, limit: Limit) -> Result<i64> {
        value(|out| unsafe { tn_builder_get_limit(self.raw, limit.to_raw(), out) })
    }

    /// Reads an ONNX model from bytes, which are copied.
    pub fn network(&self, model: &[u8]) -> Result<Network> {
        let (data, size) = (model.as_ptr().cast(), model.len());
        Ok(Network { raw: made(|out| unsafe { tn_network_create_from_onnx(self.raw, data, size, out) })? })
    }

    /// Reads an ONNX model from a blob, which the network keeps.
    pub fn network_from_blob(&self, model: &Blob) -> Result<Network> {
        Ok(Network { raw: made(|out| unsafe { tn_network_create_from_onnx_blob(self.raw, model.raw, out) })? })
    }

    /// Reads an ONNX model from a file, which is mapped and must not change until the network is dropped.
    pub fn network_from_file(&self, path: &str) -> Result<Network> {
        let path = c_text(path)?;
        Ok(Network { raw: made(|out| unsafe { tn_network_create_from_onnx_file(self.raw, path.as_ptr(), out) })? })
    }

    /// Builds a plan for this machine. It measures kernels, so it takes a while.
    pub fn build(&self, network: &Network, config: &BuilderConfig) -> Result<Blob> {
        let none = std::ptr::null_mut();
        Ok(Blob { raw: made(|out| unsafe { tn_builder_build(self.raw, network.raw, config.raw, out, none) })? })
    }

    /// As [`Builder::build`], with the build report, a JSON object.
    pub fn build_with_report(&self, network: &Network, config: &BuilderConfig) -> Result<(Blob, Blob)> {
        let mut report = std::ptr::null_mut();
        let plan = made(|out| unsafe { tn_builder_build(self.raw, network.raw, config.raw, out, &mut report) })?;
        Ok((Blob { raw: plan }, Blob { raw: report }))
    }
}

/// Hears of a build's progress; closures do.
pub trait Progress: Send + Sync + 'static {
    /// `fraction` of the whole build is done, in [0, 1]; it never falls. An error cancels the build, which then fails with it.
    /// Called on the thread that builds.
    fn update(&self, phase: &str, fraction: f64) -> std::result::Result<(), BoxError>;
}

impl<F: Fn(&str, f64) -> std::result::Result<(), BoxError> + Send + Sync + 'static> Progress for F {
    fn update(&self, phase: &str, fraction: f64) -> std::result::Result<(), BoxError> {
        self(phase, fraction)
    }
}

struct Raw<P>(P);

impl<P: Progress> ProgressCallbacks for Raw<P> {
    fn update(&self, phase: &str, fraction: f64) -> std::result::Result<(), CallbackError> {
        self.0.update(phase, fraction).map_err(callback_error)
    }
}

impl BuilderConfig {
    /// The CPU, all its threads, no profile, a timing cache of its own, all libraries.
    pub fn new() -> Result<BuilderConfig> {
        Ok(BuilderConfig { raw: made(|out| unsafe { tn_builder_config_create(out) })? })
    }

    /// Sets the device that the plan is for.
    pub fn set_device(&self, device: &Device) -> Result<()> {
        check(unsafe { tn_builder_config_set_device(self.raw, device.raw) })
    }

    /// Sets the number of threads that the plan is tuned for: 1 … 1024, or 0 for as many as the process may use.
    pub fn set_thread_count(&self, count: i32) -> Result<()> {
        check(unsafe { tn_builder_config_set_thread_count(self.raw, count) })
    }

    /// The number of threads that was set.
    pub fn thread_count(&self) -> Result<i32> {
        value(|out| unsafe { tn_builder_config_get_thread_count(self.raw, out) })
    }

    /// Adds a copy of a profile; returns its number in the plan.
    pub fn add_profile(&self, profile: &OptimizationProfile) -> Result<i32> {
        value(|out| unsafe { tn_builder_config_add_profile(self.raw, profile.raw, out) })
    }

    /// Number of profiles that were added.
    pub fn profile_count(&self) -> Result<i32> {
        value(|out| unsafe { tn_builder_config_get_profile_count(self.raw, out) })
    }

    /// Sets the timing cache that builds read and fill; `None`: a new one for each build.
    pub fn set_timing_cache(&self, cache: Option<&TimingCache>) -> Result<()> {
        check(unsafe { tn_builder_config_set_timing_cache(self.raw, cache.map_or(std::ptr::null_mut(), |cache| cache.raw)) })
    }

    /// Says whether kernels of the oneDNN library may be chosen.
    pub fn set_onednn_enabled(&self, enabled: bool) -> Result<()> {
        check(unsafe { tn_builder_config_set_onednn_enabled(self.raw, i32::from(enabled)) })
    }

    /// Whether kernels of the oneDNN library may be chosen.
    pub fn onednn_enabled(&self) -> Result<bool> {
        value(|out| unsafe { tn_builder_config_get_onednn_enabled(self.raw, out) }).map(|enabled: i32| enabled != 0)
    }

    /// Sets how much time a build may take to find fast kernels: 0 … 5.
    pub fn set_optimization_level(&self, level: i32) -> Result<()> {
        check(unsafe { tn_builder_config_set_optimization_level(self.raw, level) })
    }

    /// The level that was set.
    pub fn optimization_level(&self) -> Result<i32> {
        value(|out| unsafe { tn_builder_config_get_optimization_level(self.raw, out) })
    }

    /// Sets after how many seconds a build stops timing kernels; 0 for no deadline.
    pub fn set_deadline(&self, seconds: f64) -> Result<()> {
        check(unsafe { tn_builder_config_set_deadline(self.raw, seconds) })
    }

    /// The deadline in seconds; 0 for none.
    pub fn deadline(&self) -> Result<f64> {
        value(|out| unsafe { tn_builder_config_get_deadline(self.raw, out) })
    }

    /// Says whether FP32 work may be done in a lower precision.
    pub fn set_precision_allowed(&self, precision: Precision, allowed: bool) -> Result<()> {
        check(unsafe { tn_builder_config_set_precision_allowed(self.raw, precision.to_raw(), i32::from(allowed)) })
    }

    /// Whether FP32 work may be done in a precision.
    pub fn precision_allowed(&self, precision: Precision) -> Result<bool> {
        value(|out| unsafe { tn_builder_config_get_precision_allowed(self.raw, precision.to_raw(), out) })
            .map(|allowed: i32| allowed != 0)
    }

    /// Sets an experimental option; `""` takes it back. The C header lists the keys.
    pub fn set_option(&self, key: &str, value: &str) -> Result<()> {
        let (key, value) = (c_text(key)?, c_text(value)?);
        check(unsafe { tn_builder_config_set_option(self.raw, key.as_ptr(), value.as_ptr()) })
    }

    /// The value of an experimental option; `""` if it was not set.
    pub fn option(&self, key: &str) -> Result<String> {
        let key = c_text(key)?;
        text(|buf, size, out| unsafe { tn_builder_config_get_option(self.raw, key.as_ptr(), buf, size, out) })
    }

    /// Sets who hears of a build's progress and may cancel it. The one before is dropped once no build uses it.
    pub fn set_progress(&self, progress: impl Progress) -> Result<()> {
        let table = tn_progress_callbacks_of(Box::new(Raw(progress)));
        check(unsafe { tn_builder_config_set_progress(self.raw, &table) })
    }

    /// Nobody hears of the progress any more.
    pub fn clear_progress(&self) -> Result<()> {
        check(unsafe { tn_builder_config_set_progress(self.raw, std::ptr::null()) })
    }
}

impl OptimizationProfile {
    /// Without shapes.
    pub fn new() -> Result<OptimizationProfile> {
        Ok(OptimizationProfile { raw: made(|out| unsafe { tn_optimization_profile_create(out) })? })
    }

    /// Sets one of the three shapes of an input.
    pub fn set_shape(&self, input: &str, selector: ShapeSelector, dims: &[i64]) -> Result<()> {
        let input = c_text(input)?;
        check(unsafe {
            tn_optimization_profile_set_shape(self.raw, input.as_ptr(), selector.to_raw(), dims.as_ptr(), dims.len())
        })
    }

    /// Sets all three.
    pub fn set_shapes(&self, input: &str, min: &[i64], opt: &[i64], max: &[i64]) -> Result<()> {
        self.set_shape(input, ShapeSelector::Min, min)?;
        self.set_shape(input, ShapeSelector::Opt, opt)?;
        self.set_shape(input, ShapeSelector::Max, max)
    }

    /// One of the shapes that were set. Fails with `NotFound`.
    pub fn shape(&self, input: &str, selector: ShapeSelector) -> Result<Vec<i64>> {
        let input = c_text(input)?;
        dims_of(|dims, size, out| unsafe {
            tn_optimization_profile_get_shape(self.raw, input.as_ptr(), selector.to_raw(), dims, size, out)
        })
    }
}

impl TimingCache {
    /// Empty.
    pub fn new() -> Result<TimingCache> {
        Ok(TimingCache { raw: made(|out| unsafe { tn_timing_cache_create(out) })? })
    }

    /// Adds the entries of a serialised cache, which hold where both have a key. After a failure nothing was added.
    pub fn load(&self, bytes: &[u8]) -> Result<()> {
        check(unsafe { tn_timing_cache_load(self.raw, bytes.as_ptr().cast(), bytes.len()) })
    }

    /// Adds the entries of another cache, which hold where both have a key.
    pub fn merge(&self, other: &TimingCache) -> Result<()> {
        check(unsafe { tn_timing_cache_merge(self.raw, other.raw) })
    }

    /// The entries as bytes: equal caches give equal bytes.
    pub fn serialize(&self) -> Result<Blob> {
        Ok(Blob { raw: made(|out| unsafe { tn_timing_cache_serialize(self.raw, out) })? })
    }

    /// Number of entries.
    pub fn count(&self) -> Result<usize> {
        value(|out| unsafe { tn_timing_cache_get_count(self.raw, out) })
    }
}
