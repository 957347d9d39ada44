//! An opened device: creation, submission and waiting, each with its errors caught.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::adapters::Adapter;
use super::fault::{Fault, Inject, Never, Step};

/// How a device is used. The default takes all that the adapter offers.
#[derive(Debug, Clone)]
pub struct Setup {
    /// At most so many bytes a binding.
    pub binding: Option<u64>,
    /// At most so many workgroups a dimension.
    pub workgroups: Option<u32>,
    /// Bits of a digit of the sort: 8 or 4.
    pub digit_bits: u32,
    /// Keys of a tile.
    pub tile: u32,
    /// Keys of one submission.
    pub portion: u64,
    /// How long one submission may take.
    pub patience: Duration,
    /// Whether each dispatch is waited for, so that kernels can be timed.
    pub timed: bool,
    /// Faults to inject.
    pub faults: Arc<dyn Inject>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            binding: None,
            workgroups: None,
            digit_bits: 8,
            tile: crate::kernels::TILE,
            portion: super::KEYS_PER_SUBMISSION,
            // Several times what a software rasteriser takes for a submission, and far beyond any driver's watchdog.
            patience: Duration::from_secs(60),
            timed: false,
            faults: Arc::new(Never),
        }
    }
}

impl Setup {
    /// The limits to ask for: all that matter as the adapter has them, unless told to take less.
    fn limits(&self, offered: &wgpu::Limits) -> wgpu::Limits {
        let mut limits = offered.clone();
        if let Some(binding) = self.binding {
            limits.max_storage_buffer_binding_size = binding.min(offered.max_storage_buffer_binding_size);
            limits.max_buffer_size = binding.min(offered.max_buffer_size);
        }
        if let Some(workgroups) = self.workgroups {
            limits.max_compute_workgroups_per_dimension = workgroups;
        }
        limits
    }

    /// Whether an adapter has what the kernels need: the default limits of WebGPU.
    pub(super) fn fits(&self, offered: &wgpu::Limits) -> bool {
        let needed = wgpu::Limits::defaults();
        offered.max_storage_buffers_per_shader_stage >= needed.max_storage_buffers_per_shader_stage
            && offered.max_compute_workgroup_storage_size >= needed.max_compute_workgroup_storage_size
            && offered.max_compute_invocations_per_workgroup >= needed.max_compute_invocations_per_workgroup
            && offered.max_compute_workgroup_size_x >= needed.max_compute_workgroup_size_x
    }
}

/// A device and its queue.
#[derive(Debug)]
pub struct Device {
    pub(super) inner: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) limits: wgpu::Limits,
    pub(super) setup: Setup,
    /// Nanoseconds of a tick of its clock, where it can tell the time and is to.
    pub(super) tick: Option<f32>,
    name: String,
    driver: String,
    software: bool,
    state: Arc<State>,
    line: Mutex<Line>,
}

/// A submission, by its place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// Submissions in order.
#[derive(Debug, Default)]
struct Line {
    submitted: u64,
    /// Those that nobody has waited for yet.
    waiting: VecDeque<(Ticket, wgpu::SubmissionIndex)>,
}

/// What callbacks reported.
#[derive(Debug, Default)]
struct State {
    lost: OnceLock<String>,
    refused: Mutex<Option<String>>,
}

impl Device {
    /// Opens an adapter.
    pub fn open(adapter: &Adapter, setup: Setup) -> Result<Self, Fault> {
        let limits = setup.limits(&adapter.inner.limits());
        let wanted = if setup.timed { wgpu::Features::TIMESTAMP_QUERY } else { wgpu::Features::empty() };
        let features = wanted & adapter.inner.features();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("concentra"),
            required_features: features,
            required_limits: limits.clone(),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        };
        let (inner, queue) = pollster::block_on(adapter.inner.request_device(&descriptor))
            .map_err(|error| Fault::Refused(error.to_string()))?;
        let state = Arc::new(State::default());
        let seen = state.clone();
        inner.set_device_lost_callback(move |reason, message| {
            seen.lost.get_or_init(|| format!("{reason:?}: {message}"));
        });
        let seen = state.clone();
        inner.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            if let Ok(mut refused) = seen.refused.lock() {
                refused.get_or_insert_with(|| error.to_string());
            }
        }));
        let tick = (!features.is_empty()).then(|| queue.get_timestamp_period());
        let driver = adapter.reached_by();
        Ok(Self {
            inner,
            queue,
            limits,
            setup,
            tick,
            name: adapter.name().to_owned(),
            driver,
            software: adapter.is_software(),
            state,
            line: Mutex::default(),
        })
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a processor that plays a GPU.
    pub fn is_software(&self) -> bool {
        self.software
    }

    /// The interface that it is reached by, and its driver.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// Does something with errors caught: out of memory and refusals.
    pub(super) fn scoped<T>(&self, work: impl FnOnce() -> T) -> Result<T, Fault> {
        let memory = self.inner.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.inner.push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = self.inner.push_error_scope(wgpu::ErrorFilter::Internal);
        let done = work();
        let internal = pollster::block_on(internal.pop());
        let validation = pollster::block_on(validation.pop());
        if pollster::block_on(memory.pop()).is_some() {
            return Err(Fault::OutOfMemory);
        }
        if let Some(error) = validation.or(internal) {
            return Err(Fault::Refused(error.to_string()));
        }
        self.check()?;
        Ok(done)
    }

    /// Creates a buffer.
    pub(super) fn create(&self, size: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer, Fault> {
        self.inject(Step::Create(size))?;
        self.scoped(|| {
            let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
            self.inner.create_buffer(&descriptor)
        })
    }

    /// Submits commands, and what was written to buffers before.
    pub(super) fn submit(&self, encoder: wgpu::CommandEncoder) -> Result<Ticket, Fault> {
        self.line_up(Some(encoder))
    }

    /// Submits what was written to buffers, so that it is on its way.
    pub(super) fn flush(&self) -> Result<Ticket, Fault> {
        self.line_up(None)
    }

    fn line_up(&self, encoder: Option<wgpu::CommandEncoder>) -> Result<Ticket, Fault> {
        self.inject(Step::Submit)?;
        let index = self.scoped(|| self.queue.submit(encoder.map(wgpu::CommandEncoder::finish)))?;
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.submitted += 1;
        let ticket = Ticket(line.submitted);
        line.waiting.push_back((ticket, index));
        Ok(ticket)
    }

    /// Waits until a submission is done, as long as patience lasts for it and for each one before it.
    pub(super) fn wait(&self, ticket: Ticket) -> Result<(), Fault> {
        while let Some(index) = self.next_until(ticket) {
            self.inject(Step::Wait)?;
            self.poll(Some(index))?;
        }
        Ok(())
    }

    /// The first submission that nobody has waited for, up to this one.
    fn next_until(&self, ticket: Ticket) -> Option<wgpu::SubmissionIndex> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = line.waiting.front().is_some_and(|(first, _)| *first <= ticket);
        if is_due { line.waiting.pop_front().map(|(_, index)| index) } else { None }
    }

    /// Waits until everything submitted is done.
    pub(super) fn settle(&self) -> Result<(), Fault> {
        self.wait(Ticket(u64::MAX))?;
        self.poll(None)
    }

    fn poll(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<(), Fault> {
        let timeout = Some(self.setup.patience);
        match self.inner.poll(wgpu::PollType::Wait { submission_index, timeout }) {
            Ok(_) => self.check(),
            Err(wgpu::PollError::Timeout) => {
                // Dropping a device waits for its work, and this one's may never end: it is not dropped.
                std::mem::forget((self.inner.clone(), self.queue.clone()));
                Err(Fault::Timeout(self.setup.patience))
            }
            Err(error) => Err(Fault::Lost(error.to_string())),
        }
    }

    /// Whether callbacks reported that something went wrong.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if let Some(message) = self.state.lost.get() {
            return Err(Fault::Lost(message.clone()));
        }
        let refused = self.state.refused.lock().ok().and_then(|mut refused| refused.take());
        refused.map_or(Ok(()), |message| Err(Fault::Refused(message)))
    }

    fn inject(&self, step: Step) -> Result<(), Fault> {
        self.setup.faults.fault(step).map_or(Ok(()), Err)
    }
}
