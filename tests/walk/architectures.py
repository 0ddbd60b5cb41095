"""The architectures of the walk, library by library.

Sizes are small, and for convolutions with a stride such that the last window ends with the picture: then the mirrored
image must give the mirrored map.
"""

from typing import Any

from walk.builders import (
    caffe_file,
    keras_application,
    onnx_file,
    program,
    quantised,
    small_mvit,
    transformers_folder,
    transformers_module,
)
from walk.case import Case

SEVEN: dict[str, Any] = {"num_classes": 7}
PLACES = "every place has weights of its own"
HEAD = "the head has weights for every place"
BOXES = "how boxes move is learnt for left and right apart"
UNFOLDED = "patches are unfolded into vectors"
WINDOWS = "windows of 7 are shifted by 3"
PAIRS = "pooled pairs begin at the left where kernels stand in the middle"
EVEN = "strides over even sizes begin at one side"
PADDING = "padding is wider at one side"
ANGLES = "positions are turned into angles"


def torchvision(model: str, size: int | tuple[int, ...] = 97, sided: str = "", **options: Any) -> Case:
    return Case("torchvision", f"torchvision/{model}", size, SEVEN | options, sided=sided)


def timm(model: str, size: int | tuple[int, ...] = 97, sided: str = "", **options: Any) -> Case:
    return Case("timm", f"timm/{model}", size, SEVEN | options, sided=sided)


def transformers(model: str, size: int | tuple[int, ...] = 97, sided: str = "", **config: Any) -> Case:
    return Case("transformers", model, size, config, transformers_module, sided=sided)


def mmpretrain(model: str, size: int | tuple[int, ...] = 97, sided: str = "", **options: Any) -> Case:
    return Case("mmpretrain", f"mmpretrain/{model}", size, options, sided=sided)


TORCHVISION = [
    torchvision("alexnet", 127, HEAD),
    torchvision("convnext_tiny", 96),
    torchvision("densenet121", 93),
    torchvision("efficientnet_b0"),
    torchvision("efficientnet_v2_s"),
    torchvision("googlenet", 109, aux_logits=False, init_weights=False),
    torchvision("inception_v3", 139, aux_logits=False, init_weights=False),
    torchvision("maxvit_t", 224, EVEN),
    torchvision("mnasnet0_5"),
    torchvision("mobilenet_v2"),
    torchvision("mobilenet_v3_small"),
    torchvision("regnet_x_400mf"),
    torchvision("regnet_y_400mf"),
    torchvision("resnet18", (97, 129)),
    torchvision("resnet50"),
    torchvision("resnext50_32x4d"),
    torchvision("shufflenet_v2_x0_5"),
    torchvision("squeezenet1_1", 95),
    torchvision("swin_t", 96, WINDOWS),
    torchvision("swin_v2_t", 128),
    torchvision("vgg11_bn", 96, HEAD),
    torchvision("vit_b_32", 96, image_size=96),
    torchvision("wide_resnet50_2"),
    torchvision("fasterrcnn_mobilenet_v3_large_320_fpn", 128, BOXES, min_size=128, max_size=128,
                box_score_thresh=0.0, rpn_post_nms_top_n_test=8, box_detections_per_img=3),
    torchvision("maskrcnn_resnet50_fpn", 128, BOXES, min_size=128, max_size=128, box_score_thresh=0.0,
                rpn_post_nms_top_n_test=8, box_detections_per_img=3),
    torchvision("retinanet_resnet50_fpn", 128, BOXES, min_size=128, max_size=128, score_thresh=0.0,
                detections_per_img=8),
    torchvision("fcos_resnet50_fpn", 128, BOXES, min_size=128, max_size=128, score_thresh=0.0, detections_per_img=8),
    torchvision("ssdlite320_mobilenet_v3_large", 96, BOXES, score_thresh=0.0, detections_per_img=8),
    torchvision("fcn_resnet50"),
    torchvision("deeplabv3_mobilenet_v3_large"),
    torchvision("lraspp_mobilenet_v3_large"),
    torchvision("r3d_18", (8, 33, 49)),
    torchvision("mc3_18", (4, 33, 49)),
    torchvision("r2plus1d_18", (8, 33, 49)),
    Case("torchvision", "MViT, small", (8, 32, 32), build=small_mvit, sided=EVEN),
    torchvision("swin3d_t", (8, 64, 64), WINDOWS),
]  # fmt: skip

TIMM = [
    timm("resnet10t", sided=PAIRS),
    timm("resnetv2_50"),
    timm("resnest14d", sided=PAIRS),
    timm("mobilenetv3_small_050"),
    timm("efficientnet_b0"),
    timm("ghostnet_050"),
    timm("repvgg_a0"),
    timm("regnety_002"),
    timm("convnext_atto", 96),
    timm("convnextv2_atto", 96),
    timm("convmixer_768_32", 63),
    timm("poolformer_s12", 99),
    timm("mambaout_femto"),
    timm("hrnet_w18_small", 96, EVEN),
    timm("dla46_c", 96, PAIRS),
    timm("xception41"),
    timm("vit_tiny_patch16_224", 64, img_size=64),
    timm("deit_tiny_distilled_patch16_224", 64, img_size=64),
    timm("beit_base_patch16_224", 64, img_size=64, depth=2),
    timm("eva02_tiny_patch14_224", 56, ANGLES, img_size=56, depth=2),
    timm("vit_small_patch14_reg4_dinov2", 56, img_size=56, depth=4),
    timm("vit_small_patch16_dinov3", 64, ANGLES, depth=2),
    timm("vit_tiny_r_s16_p8_224", 96, PADDING, img_size=96, depth=2),
    timm("swin_tiny_patch4_window7_224", 128, img_size=128, window_size=2),
    timm("swinv2_tiny_window8_256", 128, img_size=128, window_size=2),
    timm("maxvit_rmlp_pico_rw_256", 256, EVEN),
    timm("coatnet_pico_rw_224", 224, EVEN),
    timm("mixer_s32_224", 96, PLACES, img_size=96),
    timm("resmlp_12_224", 64, PLACES, img_size=64),
    timm("gmlp_ti16_224", 64, PLACES, img_size=64),
    timm("cait_xxs24_224", 64, img_size=64, depth=3),
    timm("xcit_nano_12_p8_224", 64, EVEN, img_size=64, depth=2),
    timm("levit_128s", 224, EVEN),
    timm("pit_ti_224", 224, EVEN),
    timm("pvt_v2_b0", 96, EVEN),
    timm("tnt_s_legacy_patch16_224", 64, UNFOLDED, img_size=64, depth=2),
    timm("volo_d1_224", 64, img_size=64),
    timm("twins_svt_small", 96, img_size=96),
    timm("mobilevit_xxs", 97),
    timm("edgenext_xx_small", 96),
    timm("efficientformer_l1", 224, EVEN),
    timm("fastvit_t8", 97),
    timm("davit_tiny", 96),
    timm("focalnet_tiny_srf", 96),
    timm("hiera_tiny_224", 224, EVEN),
]

VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
STAGES = {"hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 1, 1]}
SWIN = {"image_size": 64, "patch_size": 4, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4}
TEXTS = {**VIT, "vocab_size": 9, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
TRANSFORMERS = [
    transformers("ViT", 64, image_size=64, patch_size=16, **VIT),
    transformers("DeiT", 64, image_size=64, patch_size=16, **VIT),
    transformers("Beit", 64, image_size=64, patch_size=16, **VIT),
    transformers("Dinov2", 56, image_size=56, patch_size=14, **VIT),
    transformers("Dinov2WithRegisters", 56, image_size=56, patch_size=14, **VIT),
    transformers("Swin", 64, **SWIN),
    transformers("Swinv2", 64, **SWIN),
    transformers("ConvNext", 96, **STAGES),
    transformers("ResNet", embedding_size=8, **STAGES),
    transformers("RegNet", embedding_size=8, groups_width=8, **STAGES),
    transformers("MobileNetV2", depth_multiplier=0.35),
    transformers("EfficientNet", sided=PADDING, width_coefficient=0.25, depth_coefficient=0.3, hidden_dim=320),
    transformers("MobileViTV2", 128, EVEN, image_size=128),
    transformers("PoolFormer", 99, **STAGES),
    transformers("PvtV2", 97, image_size=97, **STAGES, num_attention_heads=[1, 2, 2, 2], sr_ratios=[1] * 4),
    transformers("Segformer", 97, **STAGES, num_attention_heads=[1, 2, 2, 2], sr_ratios=[1] * 4),
    transformers("CLIP", 64, vision_config={"image_size": 64, "patch_size": 16, **VIT}, text_config=TEXTS),
    transformers("Siglip", 64, vision_config={"image_size": 64, "patch_size": 16, **VIT}, text_config=TEXTS),
    transformers("FocalNet", 96, image_size=96, embed_dim=16, depths=[1] * 4),
    transformers(
        "Levit", 128, EVEN, image_size=128, hidden_sizes=[16, 32, 48], num_attention_heads=[2] * 3, depths=[1] * 3
    ),
    Case("transformers", "ViT, a saved folder", 64, {"image_size": 64, "patch_size": 16, **VIT}, transformers_folder),
]

TINY = {"backbone": {"arch": "deit-tiny", "img_size": 64}, "head": {"in_channels": 192}}
MMPRETRAIN = [
    mmpretrain("resnet18_8xb32_in1k"),
    mmpretrain("mobilenet-v3-small-050_3rdparty_in1k"),
    mmpretrain("shufflenet-v2-1x_16xb64_in1k"),
    mmpretrain("efficientnet-b0_3rdparty_8xb32_in1k"),
    mmpretrain("convnext-v2-atto_fcmae-pre_3rdparty_in1k", 96),
    mmpretrain("poolformer-s12_3rdparty_32xb128_in1k", 99),
    mmpretrain("deit-tiny_4xb256_in1k", 64, **TINY),
    mmpretrain("swin-tiny_16xb64_in1k", 224, WINDOWS),
    mmpretrain("t2t-vit-t-14_8xb64_in1k", 64, UNFOLDED, backbone={"img_size": 64}),
]

ELSEWHERE = [
    Case("ONNX, by torch", "resnet18", 65, {}, onnx_file, settled=True),
    Case("ONNX, by torch", "vit_tiny_patch16_224", 64, {}, onnx_file, settled=True),
    Case("ONNX, by torch", "mobilenet_v3_small", 65, {}, onnx_file, settled=True),
    Case("ONNX Runtime", "resnet18", 65, {"runtime": "onnxruntime"}, onnx_file, settled=True),
    Case("ONNX Runtime", "vit_tiny_patch16_224", 64, {"runtime": "onnxruntime"}, onnx_file, settled=True),
    Case("Caffe", "an AlexNet with a CAM layer", 67, {}, caffe_file),
    Case("Caffe", "batch norms, sums, maxima", 61, {}, caffe_file),
    Case("Keras", "MobileNetV2", 65, {}, keras_application, columns=1),
    Case("Keras", "ResNet50V2", 65, {}, keras_application, columns=1),
    Case("Keras", "EfficientNetB0", 65, {}, keras_application, columns=1),
    Case("torch.export", "resnet18", 65, {}, program, settled=True),
    Case("torch.export", "vit_tiny_patch16_224", 64, {}, program, settled=True),
    Case("int8", "resnet18", 65, {}, quantised, settled=True),
    Case("bundled", "bundled", 97),
]

CASES = [*TORCHVISION, *TIMM, *TRANSFORMERS, *MMPRETRAIN, *ELSEWHERE]
