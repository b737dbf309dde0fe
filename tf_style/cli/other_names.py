"""Names of flags in other programs, and what is said about an unknown flag.

Takes the name of an unknown flag and the flags of a command; gives the error message. No TensorFlow
here.
"""

from collections.abc import Collection
from pathlib import Path

from tf_style._checks import shown, suggestion

_NAMES_BY_MEANING = {
    "content": "base_image base_image_path content_file content_image content_image_path "
    "content_images_paths content_img content_img_path content_path in_path input input_image "
    "photo",
    "style": "fast_styles painting style_file style_image style_image_path style_images "
    "style_images_paths style_img style_img_path style_imgs style_path "
    "style_reference_image style_reference_image_path styles",
    "output": "out out_path output_file output_image output_img output_path save_path",
    "overwrite": "clobber force overwrite_output replace",
    "size": "end_scale height image_size img_size imsize max_dim max_size output_size resolution "
    "size_pixels width",
    "style_size": "style_image_size",
    "style_scale": "style_scale_fac",
    "scales": "initial_iterations min_scale multi_scale multiscale",
    "steps": "epochs iter iteration iterations iters max_iter max_iterations max_iters n_iter "
    "n_iterations n_steps num_iter num_iterations num_iters num_steps",
    "content_weight": "alpha content_loss_weight cw",
    "style_weight": "beta style_loss_weight sw",
    "style_strength": "intensity strength style_intensity stylization_strength",
    "tv_weight": "total_variation total_variation_weight tv tv_loss_weight tv_strength "
    "tv_weight_2 tvw",
    "content_layers": "content_layer content_layer_weights content_layers_weights "
    "content_weight_blend",
    "style_layers": "style_layer style_layer_weights style_layers_weights",
    "style_blend": "blend style_blend_weights style_img_weights style_imgs_weights style_weights",
    "style_loss": "style_loss_type style_target_type",
    "color": "color_control colors colour colours",
    "color=content": "keep_color keep_colors original_color original_colors original_colours "
    "preserve_color preserve_colors preserve_colour preserve_colours",
    "init": "init_image init_img init_img_type init_type initial initial_image initialization "
    "start_image",
    "seed": "random_seed",
    "pooling": "pool pool_type pooling_type",
    "weights": "loss_network model model_file model_path model_weights network vgg vgg_path",
    "optimizer": "optim optimiser",
    "learning_rate": "learning_rate_adam lr step_size",
    "history": "history_size lbfgs_history lbfgs_num_correction",
    "save_every": "checkpoint_iterations save_interval save_iter",
    "content_masks": "content_mask mask masks style_mask_imgs",
    "precision": "amp dtype fp16 half",
    "memory_limit": "max_memory",
    "time_budget": "max_seconds max_time time_limit",
    "jit_compile": "jit xla",
    "quiet": "silent",
    "": "accel backend cpu cuda cuda_device cudnn_autotune device devices disable_check gpu gpu_id "
    "gpus mps multidevice_strategy multigpu_strategy no_cuda no_gpu "
    "print_every print_iter print_iterations proto_file supplemental_device tile_size use_cuda "
    "use_cudnn use_gpu",
}

OTHER_NAMES = {name: flag for flag, names in _NAMES_BY_MEANING.items() for name in names.split()}
"""What other programs call a flag: the flag of the same meaning, or empty if none is needed."""


def unknown(name: str, values: Collection[str]) -> str:
    """Returns the error message for an unknown flag, with a suggestion if there is one."""
    name = name.lstrip("-")
    known = name.replace("-", "_").lower()
    meant = OTHER_NAMES.get(known) or (known if known in values else "")
    if not meant and known in OTHER_NAMES:
        return f"There is no flag --{name}, and none is needed. Leave it out."
    if meant and meant.partition("=")[0] in values:
        return f"There is no flag --{name}. Did you mean --{meant}?"
    name = shown(name)[1:-1]
    if Path(name).suffix:
        return f"There is no flag --{name}. If it is a file, write ./-{name}."
    near = suggestion(known, values).replace("'", "").replace("mean ", "mean --")
    return f"There is no flag --{name}.{near or ' See --helpfull.'}"
