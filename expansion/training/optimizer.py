"""The recipe's optimiser: SGD with Nesterov momentum, L2 on all but batch norm, half-cosine with linear warm-up."""

from __future__ import annotations

import math
from collections.abc import Callable

import keras
import tensorflow as tf

from expansion.network.graph_constants import constant
from expansion.network.layers import register
from expansion.recipe import Recipe


@register
class HalfCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Rate at a step: linear from a hundredth over the warm-up, then rate * (1 + cos(pi * step / total)) / 2."""

    def __init__(self, rate: float, total_steps: int, warmup_steps: int = 0):
        self.rate, self.total_steps, self.warmup_steps = rate, total_steps, warmup_steps

    def _cosine(self, step):
        share = keras.ops.minimum(step / max(1, self.total_steps), 1.0)
        return 0.5 * self.rate * (1.0 + keras.ops.cos(math.pi * share))

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        if not self.warmup_steps:
            return self._cosine(step)
        first, last = 0.01 * self.rate, self._cosine(float(self.warmup_steps))
        warm = first + (last - first) * step / self.warmup_steps
        return keras.ops.where(step < self.warmup_steps, warm, self._cosine(step))

    def get_config(self):
        return {"rate": self.rate, "total_steps": self.total_steps, "warmup_steps": self.warmup_steps}


@register
class L2SGD(keras.optimizers.SGD):
    """SGD whose weight decay joins the gradient before momentum, as in PyTorch and the paper.

    Keras' own `weight_decay` is decoupled from the momentum: with momentum 0.9 it decays a tenth as much.

    Args:
        l2: of the decay.
        factors: of a layer's name, what its rate is multiplied with; None for 1.
    """

    def __init__(self, *args, l2: float = 0.0, factors: Callable[[str], float] | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.l2, self._factor_of = l2, factors

    def build(self, variables):
        super().build(variables)
        # update_step sees TensorFlow's variables, whose names are not Keras'.
        self._decays = [variable.name not in ("gamma", "beta") for variable in variables]
        of = self._factor_of
        self._factors = [of(variable.path.partition("/")[0]) if of else 1.0 for variable in variables]

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        # Nothing to add up. Keras would all the same, for two operations a variable; without this method it does.
        for gradient, variable in zip(grads, trainable_variables):
            self.update_step(gradient, variable.value, learning_rate)

    def update_step(self, gradient, variable, learning_rate):
        if self.l2 and self._decays[self._get_variable_index(variable)]:
            gradient = gradient + tf.cast(constant(self.l2), gradient.dtype) * keras.ops.cast(variable, gradient.dtype)
        if (factor := self._factors[self._get_variable_index(variable)]) != 1:
            learning_rate = tf.cast(learning_rate, tf.float32) * constant(factor)
        if not self.momentum or not isinstance(gradient, tf.Tensor):
            super().update_step(gradient, variable, learning_rate)
            return
        # One operation a variable where Keras composes eight: a small network's step is mostly such small operations.
        velocity = self.momentums[self._get_variable_index(variable)].value
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle, accum=velocity.handle, lr=tf.cast(learning_rate, variable.dtype),
            grad=tf.cast(gradient, variable.dtype), momentum=tf.cast(constant(self.momentum), variable.dtype),
            use_nesterov=self.nesterov)

    def get_config(self):
        return super().get_config() | {"l2": self.l2}


@register
class LossScale(keras.optimizers.LossScaleOptimizer):
    """Loss scaling whose devices agree on whether a step's gradients are finite.

    Keras' own asks the first device alone, before the gradients are added up: what overflowed on another one would be
    applied.
    """

    def check_finite(self, grads):
        finite = super().check_finite(grads)
        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            return finite
        overflowed = replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.cast(tf.logical_not(finite), tf.float32))
        return tf.equal(overflowed, 0.0)


def optimizer(recipe: Recipe, videos: int) -> keras.optimizers.Optimizer:
    """The recipe's optimiser for a number of training videos. Where a Schedule says the rate, it is to be set for each step."""
    per_epoch, total = recipe.steps(videos)
    rate = recipe.scaled_rate
    if not recipe.scheduled:
        rate = HalfCosine(rate, total, round(min(recipe.warmup_epochs * per_epoch, total / 2)))
    sgd = L2SGD(rate, momentum=recipe.momentum, nesterov=True, l2=recipe.weight_decay,
                factors=recipe.rate_factor if recipe.stage_rates else None,
                use_ema=bool(recipe.ema), ema_momentum=recipe.ema or 0.99)
    return LossScale(sgd) if recipe.dtype_policy == "mixed_float16" else sgd
