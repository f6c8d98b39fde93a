"""Fits the tagger: regularised maximum likelihood by L-BFGS, with sums over all sequences of a step at once."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import minimize

from analyzer.features import N_BUCKETS
from analyzer.linear import FloatArray
from analyzer.segmenter import IntArray
from analyzer.tagger import Sequences, Tagger


def fit_tagger(
    tokens: sparse.csr_array,
    sequences: Sequences,
    labels: IntArray,
    n_labels: int,
    *,
    outside_bias: float,
    l2: float,
    iterations: int,
) -> Tagger:
    """Fit a tagger.

    Args:
        tokens: token features, shape (tokens, buckets).
        sequences: layout of the tokens.
        labels: label of each token.
        n_labels: number of labels.
        outside_bias: see ``Tagger``.
        l2: weight of the squared norm; larger is smoother.
        iterations: steps of L-BFGS; stopping early smooths as well.
    """
    used = np.flatnonzero(np.bincount(tokens.indices, minlength=N_BUCKETS))
    X = sparse.csr_array(tokens[:, used])
    XT = sparse.csr_array(X.T)
    n_weights = len(used) * n_labels

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        weights = parameters[:n_weights].reshape(-1, n_labels)
        transitions = parameters[n_weights:].reshape(-1, n_labels)
        likelihood, in_emissions, in_transitions = log_likelihood(X @ weights, transitions, sequences, labels)
        gradient = np.concatenate([(XT @ in_emissions).ravel(), in_transitions.ravel()])
        return 0.5 * l2 * float(parameters @ parameters) - likelihood, l2 * parameters - gradient

    start = np.zeros(n_weights + (n_labels + 1) * n_labels)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": iterations, "maxcor": 6}).x
    weights = np.zeros((N_BUCKETS, n_labels), dtype=np.float32)
    weights[used] = best[:n_weights].reshape(-1, n_labels)
    return Tagger(weights, best[n_weights:].reshape(-1, n_labels), outside_bias)


def log_likelihood(
    emissions: FloatArray, transitions: FloatArray, sequences: Sequences, gold: IntArray
) -> tuple[float, FloatArray, FloatArray]:
    """Return the log likelihood of the labels ``gold`` and its gradients in emissions and transitions.

    Forward and backward sums run over all sequences of a step at once, scaled to 1 at every step.
    """
    n_labels = emissions.shape[1]
    shifted = np.exp(emissions - emissions.max(axis=1, keepdims=True))
    weight = np.exp(transitions[:n_labels])
    start = np.exp(transitions[n_labels])
    forward = np.zeros_like(emissions)
    scale = np.ones(len(emissions))
    for step, tokens in enumerate(sequences.steps):
        value = shifted[tokens]
        value = value * start if step == 0 else value * (forward[sequences.steps[step - 1][: len(tokens)]] @ weight)
        scale[tokens] = value.sum(axis=1)
        forward[tokens] = value / scale[tokens, None]
    likelihood = -float(np.log(scale).sum() + emissions.max(axis=1).sum())
    backward = np.ones_like(emissions)
    grad_transitions = np.zeros_like(transitions)
    for step in range(len(sequences.steps) - 1, 0, -1):
        tokens, before = sequences.steps[step], sequences.steps[step - 1][: len(sequences.steps[step])]
        inward = shifted[tokens] * backward[tokens] / scale[tokens, None]
        backward[before] = inward @ weight.T
        grad_transitions[:n_labels] -= weight * (forward[before].T @ inward)
        likelihood += float(transitions[gold[before], gold[tokens]].sum())
        np.add.at(grad_transitions, (gold[before], gold[tokens]), 1.0)
    marginals = forward * backward
    grad_emissions = -marginals
    grad_emissions[np.arange(len(gold)), gold] += 1.0
    if sequences.steps:
        first = sequences.steps[0]
        likelihood += float(transitions[n_labels, gold[first]].sum())
        np.add.at(grad_transitions[n_labels], gold[first], 1.0)
        grad_transitions[n_labels] -= marginals[first].sum(axis=0)
    likelihood += float(emissions[np.arange(len(gold)), gold].sum())
    return likelihood, grad_emissions, grad_transitions
