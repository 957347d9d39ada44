//! Devices of any size, played by wgpu's noop backend: it has the limits that it is told, checks every buffer, binding
//! and dispatch against them, compiles the shaders as far as naga goes, and runs nothing.

use concentra::backend::Backend;
use concentra::gpu::Gpu;
use concentra::gpu::adapters::Adapter;
use concentra::gpu::counters::Counters;
use concentra::gpu::device::Setup;
use concentra::moments::Needs;
use concentra::numbers::key::Key;

use crate::random::Random;

/// Bytes of a binding, of a buffer, and workgroups of a dimension.
struct Size {
    binding: u64,
    buffer: u64,
    side: u32,
}

/// A large data centre's, a telephone's, and less than WebGPU allows.
const SIZES: [Size; 3] = [
    Size { binding: (1 << 31) - 4, buffer: 1 << 36, side: 65_535 },
    Size { binding: 128 << 20, buffer: 256 << 20, side: 65_535 },
    Size { binding: 64 << 10, buffer: 64 << 10, side: 8 },
];

/// The one adapter of a noop instance with these limits.
fn adapter(size: &Size) -> Adapter {
    let mut limits = wgpu::Limits::defaults();
    limits.max_storage_buffer_binding_size = size.binding;
    limits.max_buffer_size = size.buffer;
    limits.max_compute_workgroups_per_dimension = size.side;
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::NOOP;
    descriptor.backend_options.noop =
        wgpu::NoopBackendOptions { enable: true, limits: Some(limits), ..Default::default() };
    let instance = wgpu::Instance::new(descriptor);
    let mut found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::NOOP));
    Adapter::from(found.remove(0))
}

/// Sorts groups of these sizes. Whatever exceeds a limit is refused, which would be an error.
fn sort(gpu: &Gpu, lengths: impl Iterator<Item = usize>) -> Counters {
    let mut offsets = vec![0];
    offsets.extend(lengths.scan(0, |sum, n| {
        *sum += n;
        Some(*sum)
    }));
    let mut random = Random(83);
    let mut keys: Vec<Key> = (0..offsets[offsets.len() - 1]).map(|_| random.key(100)).collect();
    drop(gpu.sort(&mut keys, &offsets, Needs::ALL).unwrap());
    gpu.take_counters()
}

/// Each in a device of its own: buffers that are used again would show what no kernel has overwritten.
#[test]
fn no_buffer_and_no_dispatch_exceeds_the_limits() {
    for size in SIZES {
        let open = || Gpu::open(&adapter(&size), Setup::default()).unwrap();
        let many = sort(&open(), (0..100_000).map(|i| 1 + i % 3));
        assert_eq!((many.packed_keys, many.large_keys, many.host_keys), (199_999, 0, 0));
        // Records of 455 groups fill the smallest binding.
        let dispatches = if size.side == 8 { 100_000u64.div_ceil(455) } else { 1 };
        assert_eq!(many.kernels["pack"].dispatches, dispatches);

        let gpu = open();
        let largest = gpu.largest_segment().min(1 << 20);
        let one = sort(&gpu, std::iter::once(largest));
        assert_eq!((one.packed_keys, one.large_keys, one.host_keys), (0, largest as u64, 0));
        assert_eq!(one.kernels["downsweep"].workgroups, one.passes * largest.div_ceil(8192) as u64);
    }
}

/// The test above can fail: what exceeds a limit is refused.
#[test]
fn what_exceeds_a_limit_is_refused() {
    let [.., smallest] = SIZES;
    let gpu = Gpu::open(&adapter(&smallest), Setup::default()).unwrap();
    let refused = gpu.try_buffer(smallest.buffer + 4).unwrap_err();
    assert!(refused.to_string().contains("refused"), "{refused}");
}
