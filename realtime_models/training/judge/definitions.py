"""What every measure means, in one line each, and where it comes from. ``measures.py`` has units and limits."""

OURS = "ours"
FACT = "BAS as in Li et al. 2021 (FACT)"
BAILANDO = "BAS as in Siyao et al. 2022 (Bailando) and most tables since"
PEOPLE = "make judge"
PAIRS = (
    "share of blind pairs on the same song, with the same body and camera and sides by chance, in which it was chosen; "
    "ties count half"
)
MBENCH = "MBench, Lin et al. 2025 (ViMoGen)"

#: key: (definition, source)
DEFINITIONS: dict[str, tuple[str, str]] = {
    "beat_r": (
        "phase concentration: length of the mean of exp(2πi × level × beat number) over motion beats (minima of "
        "body speed), at the level chosen on validation tracks; mean over tracks and seeds",
        "circular statistics, Mardia & Jupp 2000",
    ),
    "beat_r_shifted": (
        "the same while the music is heard half a beat late; a body that listens keeps its R and moves its lag",
        OURS,
    ),
    "beat_r_wrong": (
        "the same while another song is heard",
        "AudioMimic's test",
    ),
    "beat_r_silent": (
        "the same while nothing is heard",
        "AudioMimic's test",
    ),
    "beat_r_floor": (
        "0.886 / √n, n = motion beats of one run",
        "Rayleigh",
    ),
    "beat_lag_s": (
        "circular mean of the phase of motion beats, positive = after the beat; only where R ≥ 0.4",
        OURS,
    ),
    "beat_lag_moved": (
        "how far the lag moves when the music comes half a beat later, as a share of half a beat",
        OURS,
    ),
    "beat_f1": (
        "motion beats and music beats matched one to one within 70 ms",
        "mir_eval's tolerance",
    ),
    "beat_precision": (
        "share of motion beats that are matched",
        "as F1",
    ),
    "beat_recall": (
        "share of music beats that are matched",
        "as F1",
    ),
    "bas_music_to_motion": (
        "mean over music beats of exp(−d² / 2σ²), d = time to the nearest motion beat, σ = 50 ms (3 frames at 60 Hz): "
        "rises with the number of motion beats, so never read it alone",
        BAILANDO,
    ),
    "bas_motion_to_music": (
        "mean over motion beats of the same, d = time to the nearest music beat",
        FACT,
    ),
    "beats_per_beat": (
        "count of motion beats over count of music beats",
        OURS,
    ),
    "fid_kinetic": (
        "Fréchet distance of logarithms of kinetic features of 5 s windows, standardised by real dance, equal counts; "
        "the real column is the yardstick (20 halves of real dance that share no clip)",
        "Heusel et al. 2017; Onuma et al. 2008",
    ),
    "fid_energies": (
        "the same without the logarithms, as dance papers take it: a few fast windows weigh most",
        "Onuma et al. 2008; Li et al. 2021",
    ),
    "fid_geometric": (
        "the same of geometric features",
        "Heusel et al. 2017; Müller et al. 2005",
    ),
    "kd_kinetic": (
        "unbiased squared MMD, polynomial kernel of degree 3, of the same features: near zero (or below) for "
        "equal distributions whatever the count",
        "Bińkowski et al. 2018",
    ),
    "kd_geometric": (
        "the same of geometric features",
        "Bińkowski et al. 2018",
    ),
    "two_sample": (
        "accuracy of a classifier trained on other clips than it is tested on; 50 % = cannot tell",
        "Lopez-Paz & Oquab 2017",
    ),
    "diversity_kinetic": (
        "mean distance between windows",
        "Li et al. 2021",
    ),
    "diversity_geometric": (
        "the same of geometric features",
        "Li et al. 2021",
    ),
    "multimodality_kinetic": (
        "mean distance between the same window of one song under 20 seeds",
        "Guo et al. 2020",
    ),
    "multimodality_geometric": (
        "the same of geometric features",
        "Guo et al. 2020",
    ),
    "novelty_mm": (
        "median over windows of the mean joint distance to the nearest training window, facing taken out, "
        "mirrored ones included; real = clips among themselves",
        OURS,
    ),
    "copied_share": (
        "share of windows nearer to training than all but 5 % of real windows are to other clips",
        OURS,
    ),
    "nonfinite_frames": (
        "frames with a value that is not a number",
        OURS,
    ),
    "speed_m_s": (
        "all 22 joints, travelling counts",
        OURS,
    ),
    "speed_relative_m_s": (
        "the pelvis' path taken out",
        OURS,
    ),
    "contact_share": (
        "a foot joint less than 3 cm above the floor for at least 3 frames at 30 Hz; no speed gate",
        OURS,
    ),
    "slide_m_s": (
        "mean speed over the floor of foot joints in contact",
        OURS,
    ),
    "slide_p95_m_s": (
        "of the same",
        OURS,
    ),
    "sunk_share": (
        "a foot joint more than 2 cm below the floor",
        OURS,
    ),
    "sunk_max_m": (
        "of any joint, under the floor",
        OURS,
    ),
    "jerk_m_s3": (
        "mean third difference of joint positions at 30 Hz",
        OURS,
    ),
    "turn_p999_rad_s": (
        "speed of local rotations; nothing for motion that came as positions",
        OURS,
    ),
    "energy_correlation": (
        "Pearson r of the music's loudness and the body's speed over 5 s windows of a song, mean over songs",
        OURS,
    ),
    "energy_correlation_wrong": (
        "the body danced to one song, the loudness is another's",
        OURS,
    ),
    "drift_speed_ratio": (
        "ten minutes without a pause; first and last minute are the same music",
        OURS,
    ),
    "drift_radius_m": (
        "of the pelvis; the stage has a radius of 2.5 m",
        OURS,
    ),
    "held_poses": (
        "in all that was danced",
        OURS,
    ),
    "frozen_s": (
        "longest stretch with mean joint speed under 2 cm/s",
        OURS,
    ),
    "still_share": (
        "share of frames with mean joint speed under 5 cm/s: dancers hold poses",
        OURS,
    ),
    "floating_mm": (
        "mean height above the floor of the lowest joint while the lower foot rests (under 15 cm/s)",
        OURS,
    ),
    "floating_share": (
        "share of those frames with the lowest joint 3 cm above the floor or more",
        OURS,
    ),
    "penetration_mm": (
        "mean depth of the deepest joint below the floor over all frames, 0 when above it",
        OURS,
    ),
    "pfc": (
        "horizontal and upward acceleration of the root, by its largest, times the speeds of both feet, times 10,000: "
        "large when a body is pushed while no foot stands",
        "PFC, Tseng et al. 2023 (EDGE)",
    ),
    "jerk_per_speed_hz2": (
        "jerk over mean speed: compares slow and fast bodies, since jerk grows with speed",
        OURS,
    ),
    "jitter_mm": (
        "rms distance of joints from their own path smoothed by 50 ms, at 30 Hz",
        OURS,
    ),
    "jitter_per_speed_ms": (
        "jitter over mean speed",
        OURS,
    ),
    "tremor_mm": (
        "white tremble a coordinate that the median fourth difference of joints suggests",
        OURS,
    ),
    "seams_per_minute": (
        "steps at which joints jump 3 cm or more and 8 times as far as around it",
        OURS,
    ),
    "mbench_jitter_degree": (
        "mean second difference of joint positions at 20 Hz, plus the same beside the root [m a frame²]",
        MBENCH,
    ),
    "mbench_ground_penetration": (
        "mean depth of those foot joints that are more than 5 mm under the floor [m]",
        MBENCH,
    ),
    "mbench_foot_floating": (
        "share of frames in which feet move beside the root as no supported body's do",
        MBENCH,
    ),
    "mbench_foot_sliding": (
        "mean horizontal step of foot joints in contact (slow or low) [m a frame]",
        MBENCH,
    ),
    "mbench_dynamic_degree": (
        "mean step of joints, plus the same beside the root [m a frame]",
        MBENCH,
    ),
    "section_answer_db": (
        "step of the body's speed at changes of section, 4 s after beside 4 s before, signed as the music goes, less "
        "the same at other places of the song",
        OURS,
    ),
    "drift_floor_mm": (
        "change of the median height of the resting foot joint",
        OURS,
    ),
    "wins_clips_on_grid": (PAIRS, PEOPLE),
    "wins_motion_graph": (PAIRS, PEOPLE),
    "wins_real": (PAIRS, PEOPLE),
}
