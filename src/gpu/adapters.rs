//! Which adapters there are, and which one a name means.

use super::device::Setup;

/// An adapter of this machine.
#[derive(Debug, Clone)]
pub struct Adapter {
    pub(super) inner: wgpu::Adapter,
    info: wgpu::AdapterInfo,
}

impl Adapter {
    /// Its name, as its driver gives it.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// The interface it is reached by: Vulkan, Metal or D3D12.
    pub fn interface(&self) -> String {
        format!("{:?}", self.info.backend)
    }

    /// Driver and version, as the driver gives them.
    pub fn driver(&self) -> String {
        format!("{} {}", self.info.driver, self.info.driver_info).trim().to_owned()
    }

    /// Interface and driver.
    pub fn reached_by(&self) -> String {
        format!("{}, {}", self.interface(), self.driver())
    }

    /// What kind of device it is, in a word.
    pub fn kind(&self) -> &'static str {
        match self.info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete",
            wgpu::DeviceType::IntegratedGpu => "integrated",
            wgpu::DeviceType::VirtualGpu => "virtual",
            wgpu::DeviceType::Cpu => "software",
            wgpu::DeviceType::Other => "other",
        }
    }

    /// Whether it is a processor that plays a GPU: never faster than the processor itself.
    pub fn is_software(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// Discrete ones are taken before integrated ones.
    fn rank(&self) -> u8 {
        match self.info.device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu => 2,
            wgpu::DeviceType::Other => 3,
            wgpu::DeviceType::Cpu => 4,
        }
    }

    /// The limits that matter, by name.
    pub fn limits(&self) -> Vec<(&'static str, u64)> {
        let limits = self.inner.limits();
        vec![
            ("max_storage_buffer_binding_size", limits.max_storage_buffer_binding_size),
            ("max_buffer_size", limits.max_buffer_size),
            ("max_storage_buffers_per_shader_stage", limits.max_storage_buffers_per_shader_stage.into()),
            ("max_compute_workgroup_storage_size", limits.max_compute_workgroup_storage_size.into()),
            ("max_compute_invocations_per_workgroup", limits.max_compute_invocations_per_workgroup.into()),
            ("max_compute_workgroups_per_dimension", limits.max_compute_workgroups_per_dimension.into()),
        ]
    }
}

impl From<wgpu::Adapter> for Adapter {
    fn from(inner: wgpu::Adapter) -> Self {
        Self { info: inner.get_info(), inner }
    }
}

/// Every adapter that can run the kernels, the fastest kind first. Loads the drivers, which takes a while.
pub fn adapters() -> Vec<Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(descriptor);
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    let mut adapters: Vec<Adapter> = found
        .into_iter()
        .filter(|adapter| Setup::default().fits(&adapter.limits()))
        .map(Adapter::from)
        .collect();
    adapters.sort_by_key(Adapter::rank);
    adapters
}

/// The first adapter with `name` in its name, whatever its case.
pub fn find<'a>(adapters: &'a [Adapter], name: &str) -> Option<&'a Adapter> {
    let name = name.to_lowercase();
    adapters.iter().find(|adapter| adapter.name().to_lowercase().contains(&name))
}
