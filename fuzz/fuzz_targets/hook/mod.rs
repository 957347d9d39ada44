//! The decoder's own panics are caught and told as errors; only others are findings.

use std::sync::Once;

use concentra::input::guard::is_guarded;

static HOOK: Once = Once::new();

/// Leaves panics of the decoder to whoever guards against them.
pub fn tolerate_guarded_panics() {
    HOOK.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !is_guarded() {
                hook(panic);
            }
        }));
    });
}
