//! One step of AdamW on one parameter. Spec: `src/kernels/adamw.ts`.

use napi::Result;
use napi_derive::napi;

use crate::floats::{Floats, expect_length};
use crate::{per_isa, pool};

/// The step's numbers, rounded to f32 where torch rounds them.
#[derive(Clone, Copy)]
pub struct Step {
    decay: f32,
    one_less_beta1: f32,
    beta2: f32,
    one_less_beta2: f32,
    correction: f32,
    eps: f32,
    size: f32,
    grad_scale: f32,
}

impl Step {
    pub fn new(
        lr: f64,
        beta1: f64,
        beta2: f64,
        eps: f64,
        weight_decay: f64,
        step: f64,
        grad_scale: f64,
    ) -> Step {
        Step {
            decay: (1.0 - lr * weight_decay) as f32,
            one_less_beta1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            one_less_beta2: (1.0 - beta2) as f32,
            correction: (1.0 - beta2.powf(step)).sqrt() as f32,
            eps: eps as f32,
            size: (lr / (1.0 - beta1.powf(step))) as f32,
            grad_scale: grad_scale as f32,
        }
    }

    #[inline(always)]
    pub fn apply(&self, param: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32]) {
        for (((param, grad), m), v) in param.iter_mut().zip(grad).zip(m).zip(v) {
            let grad = grad * self.grad_scale;
            *m += (grad - *m) * self.one_less_beta1;
            *v = *v * self.beta2 + self.one_less_beta2 * grad * grad;
            let denominator = v.sqrt() / self.correction + self.eps;
            *param = *param * self.decay - self.size * *m / denominator;
        }
    }
}

per_isa! {
    fn update(param: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32], step: Step) {
        step.apply(param, grad, m, v);
    }
}

#[napi]
#[allow(clippy::too_many_arguments)]
pub fn adamw(
    param: Floats,
    grad: Floats,
    m: Floats,
    v: Floats,
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    step: f64,
    grad_scale: f64,
) -> Result<()> {
    let (param, grad, m, v) = (param.f32()?, grad.f32()?, m.f32()?, v.f32()?);
    for (name, length) in [("grad", grad.len()), ("m", m.len()), ("v", v.len())] {
        expect_length(name, length, param.len())?;
    }
    let step = Step::new(lr, beta1, beta2, eps, weight_decay, step, grad_scale);
    let task = pool::task_rows(1);
    let tasks = param
        .chunks_mut(task)
        .zip(grad.chunks(task))
        .zip(m.chunks_mut(task))
        .zip(v.chunks_mut(task));
    pool::each(tasks, |(((param, grad), m), v)| update(param, grad, m, v, step));
    Ok(())
}
