"""The network: tokenizer, presets, checkpoints and the decoder.

Import the modules themselves (`mmai_gym.lfm.decode`, `mmai_gym.lfm.presets`, ...): this package imports
nothing, so that naming it costs no torch.
"""
