"""Networks: layers, pairs of encoder and decoder, frames of coordinates, fitted modules."""
