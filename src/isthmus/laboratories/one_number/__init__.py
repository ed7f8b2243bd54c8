"""The paradox of one number: a lossless code of images that is useless as a map."""
