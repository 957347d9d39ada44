//! Kernels made ready: each with an explicit layout, compiled when first used.

use std::sync::OnceLock;

use super::device::Device;
use super::fault::Fault;
use crate::kernels::{Access, KERNELS, Kernel};

/// A compiled kernel.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) inner: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

/// The kernels of a device.
#[derive(Debug, Default)]
pub(super) struct Pipelines {
    ready: [OnceLock<Pipeline>; KERNELS.len()],
}

impl Pipelines {
    /// The kernel, compiled now if need be.
    pub(super) fn get(&self, device: &Device, kernel: &Kernel) -> Result<&Pipeline, Fault> {
        let index = KERNELS.iter().position(|k| k.name == kernel.name).unwrap_or(0);
        if let Some(pipeline) = self.ready[index].get() {
            return Ok(pipeline);
        }
        let pipeline = compile(device, kernel)?;
        Ok(self.ready[index].get_or_init(|| pipeline))
    }
}

fn compile(device: &Device, kernel: &Kernel) -> Result<Pipeline, Fault> {
    device.scoped(|| {
        let entry = |binding: usize, ty, dynamic| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: dynamic, min_binding_size: None },
            count: None,
        };
        let storage = kernel.bindings.iter().enumerate().map(|(i, access)| {
            let read_only = *access == Access::Read;
            entry(i + 1, wgpu::BufferBindingType::Storage { read_only }, false)
        });
        let entries: Vec<_> =
            std::iter::once(entry(0, wgpu::BufferBindingType::Uniform, true)).chain(storage).collect();
        let label = Some(kernel.name);
        let layout = device
            .inner
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = device.inner.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let source = wgpu::ShaderSource::Wgsl(kernel.source().into());
        let module = device.inner.create_shader_module(wgpu::ShaderModuleDescriptor { label, source });
        let digits = [("DIGIT_BITS", f64::from(device.setup.digit_bits))];
        let inner = device.inner.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(kernel.name),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: if kernel.digits { &digits } else { &[] },
                // Every kernel writes its shared memory before it reads it.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        Pipeline { inner, layout }
    })
}
