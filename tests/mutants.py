"""Deliberate breakage: does the suite turn red, and which tests see it?

    make mutants        # or: python -m tests.mutants [NAME ...]

Each mutant replaces one piece of text in a copy of the checkout and runs the tests
that could see it there. Prints the count of failed tests for each and the first
few names; ends with status 1 if a mutant lives, or if its text is not found.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[1]

# name: (file, text, replacement, tests)
MUTANTS = {
    "swap real and generated": (
        "keras_mixup/training/gan_batches.py",
        "[_float32(real), _float32(generated)], [lam, 1 - lam]",
        "[_float32(real), _float32(generated)], [1 - lam, lam]",
        "tests/training/test_gan_batches.py tests/training/test_gan.py",
    ),
    "one batch for both of the authors'": (
        "keras_mixup/training/gan_batches.py",
        "enumerate((slice(0, half), slice(half, 2 * half)))",
        "enumerate((slice(0, half), slice(0, half)))",
        "tests/training/test_gan_batches.py",
    ),
    "a generator that plays along": (
        "keras_mixup/training/gan_batches.py",
        "return -discriminator_loss(logits, targets)",
        "return discriminator_loss(logits, targets)",
        "tests/training/test_gan_batches.py tests/training/test_gan.py",
    ),
    "the same real examples in each step": (
        "keras_mixup/training/gan.py",
        "part = real[index * size : (index + 1) * size]",
        "part = real[:size]",
        "tests/training/test_gan.py",
    ),
    "optimizers that a resume loses": (
        "keras_mixup/training/descent.py",
        "    optimizer.build(network.trainable_variables)\n",
        "",
        "tests/training/test_gan.py",
    ),
    "under-confident classes are mixed": (
        "keras_mixup/training/camixup.py",
        "accuracy <= confidence if trained",
        "accuracy > confidence if trained",
        "tests/training/test_camixup.py -k over_confident",
    ),
    "the partner's class says whether an example is mixed": (
        "keras_mixup/class_probability.py",
        "tf.gather(values, tf.clip_by_value(classes, 0, count - 1))",
        "tf.gather(values, tf.clip_by_value(classes[::-1], 0, count - 1))",
        "tests/test_class_probability.py -k left",
    ),
    "the teacher runs ahead": (
        "keras_mixup/training/averaged_weights.py",
        "own.assign(kept * own.value + (1 - kept) * value)",
        "own.assign((1 - kept) * own.value + kept * value)",
        "tests/training/test_averaged_weights.py -k by_hand",
    ),
    "each batch moves the statistics": (
        "keras_mixup/training/interleaving.py",
        "    others = outputs_without_statistics(network, batches[1:])\n",
        "    others = [network(batch, training=True) for batch in batches[1:]]\n",
        "tests/training/test_interleaving.py",
    ),
    "far samples count": (
        "keras_mixup/evaluation/generated.py",
        "near = distances.min(axis=1) <= radius",
        "near = distances.min(axis=1) <= 2 * radius",
        "tests/evaluation/test_generated.py",
    ),
    "attack downhill": (
        "keras_mixup/evaluation/adversarial.py",
        "perturbed + step * sign",
        "perturbed - step * sign",
        "tests/evaluation/test_attacks.py",
    ),
    "leave the box": (
        "keras_mixup/evaluation/adversarial.py",
        "tf.minimum(x + epsilon, high)",
        "tf.minimum(x + 2 * epsilon, high)",
        "tests/evaluation/test_attacks.py",
    ),
    "neighbors cross classes": (
        "keras_mixup/neighbors.py",
        "np.flatnonzero(labels == label)",
        "np.flatnonzero(labels == labels)",
        "tests/test_neighbor_search.py",
    ),
    "a distance counts for one of its ends": (
        "keras_mixup/neighbor_search.py",
        "nearer = below < furthest",
        "nearer = below < -furthest",
        "tests/test_neighbor_search.py",
    ),
    "each worker keeps its own averages": (
        "keras_mixup/training/several_workers.py",
        "weight.assign(mean)",
        "weight.assign(weight.value)",
        "tests/training/test_several_workers.py -m slow -k statistics",
    ),
    "a damaged checkpoint is taken": (
        "experiments/engine/checkpoint_files.py",
        "if digest(path.with_name(name)) != expected:",
        "if not expected:",
        "tests/experiments/test_state.py",
    ),
    "what a kill left of a checkpoint is taken for damage": (
        "experiments/engine/state.py",
        "if not checkpoint_files.is_finished(path):",
        "if False:",
        "tests/experiments/test_killed_operations.py",
    ),
    "the open epoch's metrics start anew": (
        "experiments/engine/state.py",
        "            variable.assign(value.reshape(variable.shape))\n",
        "            value.reshape(variable.shape)\n",
        "tests/experiments/test_state.py",
    ),
    "one side of the t distribution is enough": (
        "experiments/report/verdicts.py",
        "return 2 * stats.t.sf(",
        "return stats.t.sf(",
        "tests/experiments/test_verdicts.py",
    ),
    "several rows are tested as one": (
        "experiments/report/verdicts.py",
        "(len(by_cell) - before) * by_cell[cell]",
        "by_cell[cell]",
        "tests/experiments/test_verdicts.py",
    ),
    "two seeds are enough": (
        "experiments/report/verdicts.py",
        "LEAST_SEEDS, LEVEL = 3, 0.05",
        "LEAST_SEEDS, LEVEL = 2, 0.05",
        "tests/experiments/test_verdicts.py",
    ),
    "a training error that nobody measured fits": (
        "experiments/report/verdicts.py",
        "error is not None and error < FITS",
        "error is None or error < FITS",
        "tests/experiments/test_verdicts.py",
    ),
    "what is drawn by the service ignores the batch": (
        "experiments/data/service.py",
        "return tf.strings.to_hash_bucket_fast(text, 2**31 - 1)",
        "return tf.strings.to_hash_bucket_fast(tf.constant('a'), 2**31 - 1)",
        "tests/experiments/test_service.py",
    ),
    "swap real and corrupted": (
        "keras_mixup/evaluation/memorization.py",
        '"error_on_real": _percent(wrong[~corrupted])',
        '"error_on_real": _percent(wrong[corrupted])',
        "tests/evaluation/test_memorization.py",
    ),
    "swap lam and 1 - lam": (
        "keras_mixup/mixing.py",
        "mix_parts(gather_parts([nest], [partner]), [lam, 1 - lam])",
        "mix_parts(gather_parts([nest], [partner]), [1 - lam, lam])",
        "tests/test_mixing.py",
    ),
    "swap the weights of a draw": (
        "keras_mixup/draws.py",
        "return Draw(tf.unstack(weights, examples, axis=-1), partners)",
        "return Draw(tf.unstack(weights, examples, axis=-1)[::-1], partners)",
        "tests/test_mixup.py",
    ),
    "drop the partner": (
        "keras_mixup/mixing.py",
        "None if leaf is None else tf.gather(leaf, p)",
        "leaf",
        "tests/test_mixing.py tests/test_mixup.py",
    ),
    "shift the mixed layer": (
        "keras_mixup/training/cuts.py",
        "places = [_output_of(layer, graph) for layer in found]",
        "places = [_output_of(graph.layers[graph.layers.index(layer) - 1], graph) "
        "for layer in found]",
        "tests/training/test_hidden_layers.py",
    ),
    "ignore the replica": (
        "keras_mixup/keys.py",
        '_philox(key, Use.KEY, _word("replica", replica), step, [1], tf.uint64)',
        "_philox(key, Use.KEY, 0, step, [1], tf.uint64)",
        "tests/test_keys.py",
    ),
    "ignore the replica in the train step": (
        "keras_mixup/keys.py",
        "return context.replica_id_in_sync_group if context else 0",
        "return 0",
        "tests/training/test_classifier.py",
    ),
    "ignore the step": (
        "keras_mixup/keys.py",
        '_philox(key, Use.KEY, _word("replica", replica), step, [1], tf.uint64)',
        '_philox(key, Use.KEY, _word("replica", replica), 0, [1], tf.uint64)',
        "tests/test_keys.py",
    ),
    "mix at inference": (
        "keras_mixup/layers.py",
        "lambda leaf: keras.ops.cast(leaf, _mixed_dtype_of(leaf)), inputs",
        "lambda leaf: leaf[::-1], inputs",
        "tests/training/test_hidden_layers.py tests/test_layers.py",
    ),
    "forget the second loss term": (
        "keras_mixup/training/mixed_loss.py",
        "total += _term(loss, y, of_part, share, weight)",
        "total = total or _term(loss, y, of_part, share, weight)",
        "tests/training/test_mixed_loss.py",
    ),
    "one share for all examples": (
        "keras_mixup/training/mixed_loss.py",
        "values *= mixing.expand_to_rank(tf.cast(share, values.dtype), rank)",
        "values *= tf.reduce_mean(tf.cast(share, values.dtype))",
        "tests/training/test_mixed_loss.py",
    ),
    "padding of a partner trains": (
        "keras_mixup/training/mixed_loss.py",
        "of_part = y_pred if mask is None else keras_private.with_mask(y_pred, mask)",
        "of_part = y_pred",
        "tests/training/test_mixed_loss.py tests/programs/test_padding.py",
    ),
    "a share of 0 leaves its part": (
        "keras_mixup/training/mixed_targets.py",
        "tf.where(mixing.expand_to_rank(share == 0, tensor.shape.rank), "
        "heaviest, part)",
        "part",
        "tests/training/test_mixed_targets.py",
    ),
    "class numbers are averaged": (
        "keras_mixup/training/mixed_loss.py",
        "if y.dtype == tf.string or origin in NEVER_AVERAGED:",
        "if y.dtype == tf.string:",
        "tests/training/test_kinds_of_losses.py",
    ),
    "negative weights are divided by": (
        "keras_mixup/training/mixed_loss.py",
        "negative = tf.reduce_any(tf.reduce_min(tf.stack(weights)) < 0)",
        "negative = tf.constant(False)",
        "tests/training/test_mixed_loss.py",
    ),
    "independent labels are smoothed as classes": (
        "keras_mixup/training/mixed_loss.py",
        "targets.smooth(tf.cast(y, tf.float32), amount, multi_label=True)",
        "targets.smooth(tf.cast(y, tf.float32), amount)",
        "tests/training/test_kinds_of_losses.py",
    ),
    "IoU cuts shares to whole numbers": (
        "keras_mixup/training/mixed_metrics.py",
        "shares = _whole(shares)",
        "pass",
        "tests/training/test_mixed_metrics.py",
    ),
    "each metric makes classes of an output": (
        "keras_mixup/training/mixed_metrics.py",
        "if any(_is_for_classes(metric) for metric in metrics):",
        "if metrics:",
        "tests/training/test_mixed_metrics.py",
    ),
    "metric_targets is not read": (
        "keras_mixup/training/mixed_metrics.py",
        'elif choice == "clean" or (classes and choice is None):',
        "elif classes:",
        "tests/training/test_mixed_metrics.py",
    ),
    "a metric is tried in the trace": (
        "keras_mixup/training/mixed_metrics.py",
        "counts = thread.submit(trial).result()",
        "counts = trial()",
        "tests/training/test_mixed_metrics.py",
    ),
    "padding of a Masking layer weighs": (
        "keras_mixup/training/mixed_inputs.py",
        "mixing_points.mix_features(leaf, draw, masks.get(id(leaf)), policy.padding)",
        "mixing_points.mix_features(leaf, draw)",
        "tests/training/test_mixed_inputs.py",
    ),
    "a padding that the inputs do not follow": (
        "keras_mixup/training/mixed_inputs.py",
        "masks.get(id(leaf)), policy.padding)",
        "masks.get(id(leaf)))",
        "tests/test_padding.py",
    ),
    "a position that one part lacks counts": (
        "keras_mixup/targets.py",
        "total = tf.where(_in_all(coefficients, weights), total, tf.zeros_like(total))",
        "pass",
        "tests/test_padding.py",
    ),
    "parts of no share have to be there": (
        "keras_mixup/mixing.py",
        "expand_to_rank(coefficient > 0, mask.shape.rank) & ~mask",
        "expand_to_rank(coefficient >= 0, mask.shape.rank) & ~mask",
        "tests/test_padding.py",
    ),
    "the longer arc": (
        "keras_mixup/circle.py",
        "tf.floor((part - heaviest) / period + 0.5)",
        "tf.floor((part - heaviest) / period)",
        "tests/test_circle.py",
    ),
    "the first part begins the arc": (
        "keras_mixup/circle.py",
        "more = expand_to_rank(share > most, part.shape.rank)",
        "more = expand_to_rank(share > 2.0, part.shape.rank)",
        "tests/test_circle.py",
    ),
    "what is rounded is a whole period": (
        "keras_mixup/circle.py",
        "tf.minimum(around, _last_before(period, own))",
        "around",
        "tests/test_circle.py",
    ),
    "a level counts one half": (
        "keras_mixup/ordinal.py",
        "> 0.5",
        ">= 0.5",
        "tests/test_ordinal.py",
    ),
    "where all is padding there is nothing": (
        "keras_mixup/mixing.py",
        "shares[0] = tf.where(total > 0, shares[0], 1.0)",
        "shares[0] = 1.0 * shares[0]",
        "tests/test_mixing.py tests/training/test_mixed_inputs.py",
    ),
    "a method on the object is passed over": (
        "keras_mixup/training/model_checks.py",
        "    if name in vars(network):\n        return True\n",
        "",
        "tests/training/test_model_checks.py",
    ),
    "leave sample weights with their first example": (
        "keras_mixup/training/mixed_targets.py",
        "return MixedWeight(parts_of(leaf), leaf)",
        "return MixedWeight([leaf for _ in parts_of(leaf)], leaf)",
        "tests/training/test_two_terms.py",
    ),
    "weigh the label but not the weight": (
        "keras_mixup/targets.py",
        "tf.where(total != 0, tf.math.divide_no_nan(product, total), t)",
        "tf.zeros_like(product) + t",
        "tests/test_mixup.py",
    ),
    "unweighted training accuracy": (
        "keras_mixup/training/mixed_metrics.py",
        "shares = target.shares_of_examples()",
        "shares = [tf.ones_like(s) for s in target.shares_of_examples()]",
        "tests/training/test_classifier.py",
    ),
    "a proposal of a cell is always kept": (
        "keras_mixup/similar_targets.py",
        "kept = keep < share",
        "kept = keep < 1 + 0 * share",
        "tests/test_similar_targets.py",
    ),
    "the kernel is twice as wide": (
        "keras_mixup/similarity.py",
        "weight = tf.exp(-squared / 2)",
        "weight = tf.exp(-squared / 8)",
        "tests/test_similar_targets.py",
    ),
    "alpha 0 is one half": (
        "keras_mixup/quantiles.py",
        "other = tf.where(alpha == 0, tf.ones_like(alpha), math.nan)",
        "other = tf.where(alpha == 0, 0.5 * tf.ones_like(alpha), math.nan)",
        "tests/test_sampling.py",
    ),
    "split a law at one half": (
        "keras_mixup/quantiles.py",
        "mean = np.log(a) - np.log(b)",
        "mean = np.log(a) - np.log(a)",
        "tests/test_quantiles.py",
    ),
    "a threshold is a product": (
        "keras_mixup/training/schedules.py",
        "    while step / steps_per_epoch < epoch:\n",
        "    while step < epoch * steps_per_epoch:\n",
        "tests/training/test_schedules.py",
    ),
    "two uses of one block": (
        "keras_mixup/keys.py",
        "tf.cast(part, tf.uint64) + tf.constant(use << 32, tf.uint64)",
        "tf.cast(part, tf.uint64)",
        "tests/test_keys.py",
    ),
    "weights in float32": (
        "keras_mixup/keys.py",
        "return (tf.cast(bits, tf.float64) + 0.5) * 2.0**-24",
        "bits = tf.cast(bits, tf.float32) * 2.0**-24\n"
        "    return tf.cast(bits, tf.float64)",
        "tests/test_sampling.py tests/test_keys.py",
    ),
    "cross classes": (
        "keras_mixup/sampling.py",
        "in_order = tf.argsort(classes, stable=True)",
        "in_order = tf.range(tf.size(classes))",
        "tests/test_pairing.py",
    ),
    "boxes all weigh the same": (
        "keras_mixup/boxes.py",
        "prior * coefficient",
        "prior",
        "tests/test_boxes.py",
    ),
    "labels out of range pass": (
        "keras_mixup/target_checks.py",
        "inside = (wide >= 0) & (wide < num_classes)",
        "inside = wide >= 0",
        "tests/test_bad_input.py",
    ),
    "class numbers that are floats pass": (
        "keras_mixup/target_checks.py",
        "if target.shape.rank < 2 or target.shape[-1] not in (None, num_classes):",
        "if target.shape.rank < 1:",
        "tests/test_bad_input.py",
    ),
    "all targets are smoothed": (
        "keras_mixup/policy.py",
        "named = isinstance(self.num_classes, (Mapping, tuple, list))",
        "named = False",
        "tests/test_mixup.py tests/training/test_forms_of_targets.py",
    ),
    "means of weights that were frozen before": (
        "keras_mixup/training/several_workers.py",
        "if of != ids:",
        "if of is None:",
        "tests/training/test_several_workers.py",
    ),
    "the input's name is no place in a list": (
        "keras_mixup/training/mixed_inputs.py",
        "return (*passthrough, *places)",
        "return passthrough",
        "tests/training/test_forms_of_targets.py",
    ),
    "the watch goes on between epochs": (
        "experiments/data/service.py",
        "def on_epoch_end(self, epoch, logs=None):\n        self._last = math.inf",
        "def on_epoch_end(self, epoch, logs=None):\n        self._last = time."
        "monotonic()",
        "tests/experiments/test_service.py",
    ),
    "the labels of an export compete": (
        "keras_mixup/served_outputs.py",
        "probabilities = tf.sigmoid(output) if",
        "probabilities = tf.nn.softmax(output) if",
        "tests/test_export_tasks.py",
    ),
    "the numbers of an export have strings": (
        "keras_mixup/export.py",
        'archive.add_endpoint("numeric", numbers, [specs])',
        'archive.add_endpoint("numeric", answer, [specs])',
        "tests/test_export_numeric.py",
    ),
    "the logits of a loss are not read": (
        "keras_mixup/ends_in_logits.py",
        "kind, bool(from_logits), settings",
        "kind, False, settings",
        "tests/test_served_tasks.py tests/test_ends_in_logits.py",
    ),
    "bytes wrap around": (
        "keras_mixup/served_preprocessing.py",
        "ways.append(prepare_floats)",
        "ways.append(prepare)",
        "tests/test_export_preprocess.py",
    ),
    "a link is replaced": (
        "keras_mixup/whole_folder.py",
        "pathlib.Path(path).resolve()",
        "pathlib.Path(path)",
        "tests/test_whole_folder.py",
    ),
    "export the training mode": (
        "keras_mixup/export.py",
        "network(prepare(inputs), training=False)",
        "network(prepare(inputs), training=True)",
        "tests/test_export.py",
    ),
    "a box of sides of the share": (
        "keras_mixup/regions.py",
        "side = share ** (1 / len(grid.sizes)) if len(grid.sizes) != 2 else "
        "tf.sqrt(share)",
        "side = share",
        "tests/test_regions.py",
    ),
    "the first partner lies on top": (
        "keras_mixup/regions.py",
        "for region in reversed(regions):",
        "for region in regions:",
        "tests/test_regions.py",
    ),
    "the corner of a position is shown": (
        "keras_mixup/regions.py",
        "nearest = (2 * here + 1) * size // (2 * length)",
        "nearest = 2 * here * size // (2 * length)",
        "tests/test_regions.py",
    ),
    "noise of high frequencies": (
        "keras_mixup/regions.py",
        "1.0) ** -decay",
        "1.0) ** decay",
        "tests/test_regions.py",
    ),
    "labels by lam, not by what is pasted": (
        "keras_mixup/mask_policy.py",
        "draw._replace(coefficients=shares, masks=masks,",
        "draw._replace(masks=masks,",
        "tests/test_mask_policy.py tests/test_cutmix_layer.py",
    ),
    "without mixing tokens become floats": (
        "keras_mixup/mask_policy.py",
        "return draw._replace(masks=[regions.everywhere(grid)], grid=grid)",
        "return draw",
        "tests/test_mask_policy.py -k without",
    ),
    "weights of positions stay where they were": (
        "keras_mixup/policy.py",
        "weights = combining.shown(weights, draw)",
        "pass",
        "tests/test_pasted_targets.py -k tags",
    ),
    "a finer map moves single positions": (
        "keras_mixup/combining.py",
        "fine = tf.gather(source, here // block, axis=1) * block + here % block",
        "fine = tf.gather(source, here // block, axis=1) * block",
        "tests/test_combining.py",
    ),
    "the mask of a finer tensor is repeated": (
        "keras_mixup/grids.py",
        "nearest = tf.range(own) * tf.cast(size, tf.int64) // own",
        "nearest = tf.range(own) % tf.cast(size, tf.int64)",
        "tests/test_grids.py",
    ),
    "a box keeps the part that is hidden": (
        "keras_mixup/pasted_boxes.py",
        "tf.where(high & from_left, tf.maximum(x0, right), x0)",
        "x0",
        "tests/test_pasted_boxes.py",
    ),
    "the boxes of a resized partner are cut": (
        "keras_mixup/pasted_boxes.py",
        "corners = tf.where(region.resized, resized, corners)",
        "pass",
        "tests/test_pasted_boxes.py",
    ),
    "the other policy is placed": (
        "keras_mixup/choosing.py",
        "result = tf.where(mixing.expand_to_rank(condition, rank), other, result)",
        "result = tf.where(mixing.expand_to_rank(condition, rank), result, other)",
        "tests/test_choosing.py",
    ),
    "all policies are as likely": (
        "keras_mixup/random_choice.py",
        "low + self.weights[i]",
        "low + 1 / len(self.weights)",
        "tests/test_random_choice.py -k weights",
    ),
    "channels are cut": (
        "keras_mixup/layers.py",
        '"channels_first": (2, 3)',
        '"channels_first": (1, 2)',
        "tests/test_cutmix_layer.py",
    ),
    "a map stays as it was": (
        "keras_mixup/training/dense_targets.py",
        "mixed[i].parts = [_pasted(target, placed)]",
        "mixed[i].parts = [target]",
        "tests/training/test_dense_targets.py",
    ),
    "an amount is shared by area": (
        "keras_mixup/training/loss_checks.py",
        "if shared and function in AMOUNTS:",
        "if False:",
        "tests/training/test_pasted_batches.py -k quantity",
    ),
    "remix without its bound of lam": (
        "keras_mixup/label_rules.py",
        "(n_i >= self.kappa * n_j) & (lam < self.tau)",
        "(n_i >= self.kappa * n_j)",
        "tests/test_label_rules.py -k formula",
    ),
    "a part of no weight is in the union": (
        "keras_mixup/label_rules.py",
        "here = expand_to_rank(share != 0, part.shape.rank)",
        "here = expand_to_rank(share >= 0, part.shape.rank)",
        "tests/test_label_rules.py -k union",
    ),
    "the train step shares labels by lam": (
        "keras_mixup/training/mixed_targets.py",
        "shares = label_rules.shares_by(policy, shares, clean, paths[0])",
        "pass",
        "tests/training/test_label_rules.py -k remix",
    ),
    "the clean half has no loss": (
        "keras_mixup/training/mixed_loss.py",
        "return value + tf.cast(share, value.dtype) * clean",
        "return value",
        "tests/training/test_clean_weight.py -k added",
    ),
    "the clean half is that of the mix": (
        "keras_mixup/halves.py",
        "return half(0), half(1)",
        "return half(0), half(0)",
        "tests/training/test_clean_weight.py -k added",
    ),
    "the targets go by the first place": (
        "keras_mixup/training/mixed_targets.py",
        "targets.target_coefficients(_of_all_places(placed), policy.targets)",
        "targets.target_coefficients(placed[0].coefficients, policy.targets)",
        "tests/training/test_pasted_batches.py -k places",
    ),
}


def main(names):
    """Runs the mutants of these names, or all; gives the exit status."""
    alive = 0
    for name in names or MUTANTS:
        failed = failures(*MUTANTS[name])
        alive += not failed
        verdict = f"caught by {len(failed)} tests" if failed else "LIVES"
        print(f"{name}: {verdict}", flush=True)
        for test in failed[:3]:
            print(f"    {test}", flush=True)
    print(f"{len(names or MUTANTS) - alive} caught, {alive} alive")
    return int(alive > 0)


def failures(file, text, replacement, tests):
    """Names of the tests that fail in a copy that is broken so."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "copy"
        ignore = shutil.ignore_patterns(".*", "runs", "saved_models", "*.egg-info")
        shutil.copytree(ROOT, copy, ignore=ignore)
        path = copy / file
        source = path.read_text()
        if source.count(text) != 1:
            raise SystemExit(f"{file} does not hold this text once:\n{text}")
        path.write_text(source.replace(text, replacement))
        process = subprocess.run(
            [sys.executable, "-m", "pytest", "-n", "2", "-rf", *tests.split()],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
    if process.returncode not in (0, 1):
        raise SystemExit(process.stdout + process.stderr)
    return re.findall(r"^FAILED (\S+)", process.stdout, flags=re.M)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
