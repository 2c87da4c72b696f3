"""The presets of KerasHub for images: name, parameters and model on Kaggle, by class.

A test compares them with the installed KerasHub; these are those of KerasHub 0.32.
"""

# Parameters are as KerasHub has them: of SigLIP, CLIP and MetaCLIP2 with the text's part.
_TEXT = {
    "ResNetBackbone": """
        resnet_18_imagenet 11186112 resnetv1
        resnet_50_imagenet 23561152 resnetv1
        resnet_101_imagenet 42605504 resnetv1
        resnet_152_imagenet 58295232 resnetv1
        resnet_v2_50_imagenet 23561152 resnetv2
        resnet_v2_101_imagenet 42605504 resnetv2
        resnet_vd_18_imagenet 11722824 resnet_vd
        resnet_vd_34_imagenet 21838408 resnet_vd
        resnet_vd_50_imagenet 25629512 resnet_vd
        resnet_vd_50_ssld_imagenet 25629512 resnet_vd
        resnet_vd_50_ssld_v2_imagenet 25629512 resnet_vd
        resnet_vd_50_ssld_v2_fix_imagenet 25629512 resnet_vd
        resnet_vd_101_imagenet 44673864 resnet_vd
        resnet_vd_101_ssld_imagenet 44673864 resnet_vd
        resnet_vd_152_imagenet 60363592 resnet_vd
        resnet_vd_200_imagenet 74933064 resnet_vd
    """,
    "ViTBackbone": """
        vit_base_patch16_224_imagenet 85798656 vit
        vit_base_patch16_384_imagenet 86090496 vit
        vit_large_patch16_224_imagenet 303301632 vit
        vit_large_patch16_384_imagenet 303690752 vit
        vit_base_patch32_384_imagenet 87528192 vit
        vit_large_patch32_384_imagenet 305607680 vit
        vit_base_patch16_224_imagenet21k 85798656 vit
        vit_base_patch32_224_imagenet21k 87455232 vit
        vit_huge_patch14_224_imagenet21k 630764800 vit
        vit_large_patch16_224_imagenet21k 303301632 vit
        vit_large_patch32_224_imagenet21k 305510400 vit
    """,
    "DeiTBackbone": """
        deit_base_distilled_patch16_384_imagenet 86092032 deit
        deit_base_distilled_patch16_224_imagenet 85800192 deit
        deit_tiny_distilled_patch16_224_imagenet 5524800 deit
        deit_small_distilled_patch16_224_imagenet 21666432 deit
    """,
    "SwinTransformerBackbone": """
        swin_tiny_patch4_window7_224 27519354 swin-transformer
        swin_small_patch4_window7_224 48837258 swin-transformer
        swin_base_patch4_window7_224 86743224 swin-transformer
        swin_base_patch4_window12_384 86878584 swin-transformer
        swin_large_patch4_window7_224 194995476 swin-transformer
        swin_large_patch4_window12_384 195198516 swin-transformer
    """,
    "EfficientNetBackbone": """
        efficientnet_b0_ra_imagenet 5288548 efficientnet
        efficientnet_b0_ra4_e3600_r224_imagenet 5288548 efficientnet
        efficientnet_b1_ft_imagenet 7794184 efficientnet
        efficientnet_b1_ra4_e3600_r240_imagenet 7794184 efficientnet
        efficientnet_b2_ra_imagenet 9109994 efficientnet
        efficientnet_b3_ra2_imagenet 12233232 efficientnet
        efficientnet_b4_ra2_imagenet 19341616 efficientnet
        efficientnet_b5_sw_imagenet 30389784 efficientnet
        efficientnet_b5_sw_ft_imagenet 30389784 efficientnet
        efficientnet_el_ra_imagenet 10589712 efficientnet
        efficientnet_em_ra2_imagenet 6899496 efficientnet
        efficientnet_es_ra_imagenet 5438392 efficientnet
        efficientnet2_rw_m_agc_imagenet 53236442 efficientnet
        efficientnet2_rw_s_ra2_imagenet 23941296 efficientnet
        efficientnet2_rw_t_ra2_imagenet 13649388 efficientnet
        efficientnet_lite0_ra_imagenet 4652008 efficientnet
    """,
    "MobileNetBackbone": """
        mobilenet_v3_small_050_imagenet 278784 mobilenetv3
        mobilenet_v3_small_100_imagenet 939120 mobilenetv3
        mobilenet_v3_large_100_imagenet 2996352 mobilenetv3
        mobilenet_v3_large_100_imagenet_21k 2996352 mobilenetv3
    """,
    "MobileNetV5Backbone": """
        mobilenetv5_300m_enc_gemma3n 294284096 mobilenetv5
    """,
    "HGNetV2Backbone": """
        hgnetv2_b4_ssld_stage2_ft_in1k 13599072 hgnetv2
        hgnetv2_b5_ssld_stage1_in22k_in1k 33419680 hgnetv2
        hgnetv2_b5_ssld_stage2_ft_in1k 33419680 hgnetv2
        hgnetv2_b6_ssld_stage1_in22k_in1k 69179888 hgnetv2
        hgnetv2_b6_ssld_stage2_ft_in1k 69179888 hgnetv2
    """,
    "CSPNetBackbone": """
        csp_darknet_53_ra_imagenet 27642184 cspdarknet
        csp_resnext_50_ra_imagenet 20569896 cspdarknet
        csp_resnet_50_ra_imagenet 21616168 cspdarknet
        darknet_53_imagenet 41609928 cspdarknet
    """,
    "DenseNetBackbone": """
        densenet_121_imagenet 7037504 densenet
        densenet_169_imagenet 12642880 densenet
        densenet_201_imagenet 18321984 densenet
    """,
    "VGGBackbone": """
        vgg_11_imagenet 9220480 vgg
        vgg_13_imagenet 9404992 vgg
        vgg_16_imagenet 14714688 vgg
        vgg_19_imagenet 20024384 vgg
    """,
    "XceptionBackbone": """
        xception_41_imagenet 20861480 xception
    """,
    "MiTBackbone": """
        mit_b0_ade20k_512 3321962 mit
        mit_b1_ade20k_512 13156554 mit
        mit_b2_ade20k_512 24201418 mit
        mit_b3_ade20k_512 44077258 mit
        mit_b4_ade20k_512 60847818 mit
        mit_b5_ade20k_640 81448138 mit
        mit_b0_cityscapes_1024 3321962 mit
        mit_b1_cityscapes_1024 13156554 mit
        mit_b2_cityscapes_1024 24201418 mit
        mit_b3_cityscapes_1024 44077258 mit
        mit_b4_cityscapes_1024 60847818 mit
        mit_b5_cityscapes_1024 81448138 mit
    """,
    "DINOV2Backbone": """
        dinov2_small 22582656 dinov2
        dinov2_base 87632640 dinov2
        dinov2_large 305771520 dinov2
        dinov2_giant 1138585088 dinov2
        dinov2_with_registers_small 22584192 dinov2
        dinov2_with_registers_base 87635712 dinov2
        dinov2_with_registers_large 305775616 dinov2
        dinov2_with_registers_giant 1138591232 dinov2
    """,
    "DINOV3Backbone": """
        dinov3_vit_small_lvd1689m 21600000 dinov3
        dinov3_vit_small_plus_lvd1689m 29000000 dinov3
        dinov3_vit_base_lvd1689m 86000000 dinov3
        dinov3_vit_large_lvd1689m 300000000 dinov3
        dinov3_vit_huge_plus_lvd1689m 840000000 dinov3
        dinov3_vit_7b_lvd1689m 6700000000 dinov3
        dinov3_vit_large_sat493m 300000000 dinov3
        dinov3_vit_7b_sat493m 6700000000 dinov3
    """,
    "SigLIPBackbone": """
        siglip_base_patch16_224 203156230 siglip
        siglip_base_patch16_256 203202370 siglip
        siglip_base_patch16_384 203448450 siglip
        siglip_base_patch16_512 203792962 siglip
        siglip_large_patch16_256 652151106 siglip
        siglip_large_patch16_384 652479106 siglip
        siglip_so400m_patch14_224 877360578 siglip
        siglip_so400m_patch14_384 877961291 siglip
        siglip_so400m_patch16_256_i18n 1128759282 siglip
        siglip_base_patch16_256_multilingual 370626370 siglip
        siglip2_base_patch16_224 375188230 siglip
        siglip2_base_patch16_256 375234370 siglip
        siglip2_base_patch32_256 376856194 siglip
        siglip2_base_patch16_384 376856194 siglip
        siglip2_large_patch16_256 881527106 siglip
        siglip2_large_patch16_384 881855106 siglip
        siglip2_large_patch16_512 882314306 siglip
        siglip2_giant_opt_patch16_256 1871394226 siglip
        siglip2_giant_opt_patch16_384 1871886066 siglip
        siglip2_so400m_patch14_224 1135463922 siglip
        siglip2_so400m_patch14_384 1136009291 siglip
        siglip2_so400m_patch16_256 1135671282 siglip
        siglip2_so400m_patch16_384 1136040242 siglip
        siglip2_so400m_patch16_512 1136555698 siglip
        medsiglip_900m_448 878301426 medsiglip
    """,
    "CLIPBackbone": """
        clip_vit_base_patch16 149620934 clip
        clip_vit_base_patch32 151277363 clip
        clip_vit_large_patch14 427616770 clip
        clip_vit_large_patch14_336 427944770 clip
        clip_vit_b_32_laion2b_s34b_b79k 151277363 clip
        clip_vit_h_14_laion2b_s32b_b79k 986109698 clip
        clip_vit_g_14_laion2b_s12b_b42k 1366678530 clip
        clip_vit_bigg_14_laion2b_39b_b160k 2539567362 clip
    """,
    "MetaCLIP2Backbone": """
        metaclip_2_vit_huge_patch14_224 1858783745 metaclip2
        metaclip_2_vit_huge_patch14_378 1859389185 metaclip2
        metaclip_2_vit_giant_patch14_224 3630409985 metaclip2
        metaclip_2_vit_giant_patch14_378 3631197057 metaclip2
    """,
}

# Class -> preset -> its parameters and its model on Kaggle.
PRESETS = {
    kind: {
        name: (int(parameters), model)
        for name, parameters, model in (line.split() for line in text.strip().splitlines())
    }
    for kind, text in _TEXT.items()
}
