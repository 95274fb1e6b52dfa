//! Which instruction set runs: found once, or forced by `TUNERY_ISA`.

use std::sync::OnceLock;

use napi_derive::napi;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Isa {
    /// What the compiler's baseline gives (SSE2 on x86-64, NEON on aarch64).
    Portable,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, DQ, VL, as every server core since Skylake has them.
    Avx512,
    /// The same with the BF16 and VNNI dot products.
    Avx512Bf16,
    /// The same with AMX's tiles of bf16 and of eight bits.
    Amx,
}

impl Isa {
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Avx512Bf16 => "avx512-bf16",
            Isa::Amx => "amx",
        }
    }
}

fn best() -> Isa {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        let avx512 = avx2
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        if avx512
            && is_x86_feature_detected!("avx512bf16")
            && is_x86_feature_detected!("avx512vnni")
        {
            return if has_amx() { Isa::Amx } else { Isa::Avx512Bf16 };
        }
        if avx512 {
            return Isa::Avx512;
        }
        if avx2 {
            return Isa::Avx2;
        }
    }
    Isa::Portable
}

/// Whether the processor has AMX with bf16 and eight bits, and the system lets this process use it: Linux does once it is
/// asked, for all threads.
#[cfg(target_arch = "x86_64")]
fn has_amx() -> bool {
    const TILE_BF16_INT8: u32 = 1 << 24 | 1 << 22 | 1 << 25;
    let has = std::arch::x86_64::__cpuid_count(7, 0).edx & TILE_BF16_INT8 == TILE_BF16_INT8;
    #[cfg(target_os = "linux")]
    {
        const ARCH_REQ_XCOMP_PERM: i32 = 0x1023;
        const XTILEDATA: i32 = 18;
        // SAFETY: the call changes nothing but what the process may use.
        has && unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) } == 0
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = has;
        false
    }
}

/// The set in force. A forced set that the machine lacks falls back to the best one it has.
pub fn isa() -> Isa {
    static ISA: OnceLock<Isa> = OnceLock::new();
    *ISA.get_or_init(|| {
        let best = best();
        let wanted = match std::env::var("TUNERY_ISA").as_deref() {
            Ok("portable") => Isa::Portable,
            Ok("avx2") => Isa::Avx2,
            Ok("avx512") => Isa::Avx512,
            Ok("avx512-bf16") => Isa::Avx512Bf16,
            _ => best,
        };
        wanted.min(best)
    })
}

/// The instruction set that the kernels run on: `portable`, `avx2`, `avx512`, `avx512-bf16` or `amx`.
#[napi]
pub fn isa_name() -> String {
    isa().name().to_string()
}

/// Compiles one plain body for each instruction set and calls the one in force.
#[macro_export]
macro_rules! per_isa {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident $(<$($generic:ident: $bound:ident),+>)?
        ($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block
    ) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name $(<$($generic: $bound),+>)? ($($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body $(<$($generic: $bound),+>)? ($($arg: $type),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
                #[allow(clippy::too_many_arguments)]
                fn avx512 $(<$($generic: $bound),+>)? ($($arg: $type),*) $(-> $ret)? {
                    body $(::<$($generic),+>)? ($($arg),*)
                }
                #[target_feature(enable = "avx2,fma,f16c")]
                #[allow(clippy::too_many_arguments)]
                fn avx2 $(<$($generic: $bound),+>)? ($($arg: $type),*) $(-> $ret)? {
                    body $(::<$($generic),+>)? ($($arg),*)
                }

                return match $crate::isa::isa() {
                    // SAFETY: `isa()` gives a set only where the machine has its features.
                    $crate::isa::Isa::Avx512 | $crate::isa::Isa::Avx512Bf16 | $crate::isa::Isa::Amx => unsafe {
                        avx512 $(::<$($generic),+>)? ($($arg),*)
                    },
                    // SAFETY: as above.
                    $crate::isa::Isa::Avx2 => unsafe { avx2 $(::<$($generic),+>)? ($($arg),*) },
                    $crate::isa::Isa::Portable => body $(::<$($generic),+>)? ($($arg),*),
                };
            }
            #[cfg(not(target_arch = "x86_64"))]
            body $(::<$($generic),+>)? ($($arg),*)
        }
    };
}
