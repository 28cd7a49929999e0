"""E-model: a rating R and a mean opinion score (ITU-T G.107 narrowband, G.107.1 wideband, G.107.2 fullband).

    R = Ro - Is - Id - Ie,eff + A        Id = Idte + Idle + Idd

The three scales end at different ceilings and must not be compared or averaged, so a ``Rating`` names its scale: ``nb`` (telephone
band, best MOS 4.41), ``wb`` (50-7000 Hz), ``fb`` (20-20000 Hz). ``rate`` is for what is measured in a call; ``narrowband``, ``wideband``
and ``fullband`` take every input of the standards and give every term.
"""

import math
from dataclasses import dataclass, replace
from functools import cache


@dataclass(frozen=True, slots=True)
class Rating:
    """``r`` on the scale's own range, ``mos`` 1-4.5, ``scale`` ``nb``, ``wb`` or ``fb``."""

    r: float
    mos: float
    scale: str


@dataclass(frozen=True, slots=True)
class Scale:
    """``ceiling``: R of the defaults. ``stretch``: how much longer the scale is than narrowband's 0-100."""

    name: str
    ceiling: float
    stretch: float
    loss_ceiling: float
    delay_weight: float


NARROWBAND = Scale("nb", 93.2, 1.0, 95.0, 1.0)  # G.107, clause 7.7
WIDEBAND = Scale("wb", 129.0, 1.29, 95.0, 1.0)  # G.107.1
FULLBAND = Scale("fb", 148.0, 1.48, 132.0, 1.48)  # G.107.2


@dataclass(frozen=True, slots=True)
class Connection:
    """Every input of the E-model, by the standard's names; the defaults are G.107's (table 2).

    Loudness ratings SLR, RLR, STMR (sidetone), LSTR (listener sidetone), TELR (talker echo), WEPL (closed loop) in dB; D-factor of the
    talker's telephone in dB (the listener's is LSTR - STMR); delays T (one way, echo path), Ta (absolute), Tr (round the closed loop);
    qdu: quantising distortion units;
    Ppl: packet loss; Nc, Nfor: circuit noise and noise floor; Ps, Pr: room noise at either side. The last two: G.107 (06/2015), table 1.
    """

    slr_db: float = 8.0
    rlr_db: float = 2.0
    stmr_db: float = 15.0
    lstr_db: float = 18.0
    ds_db: float = 3.0
    telr_db: float = 65.0
    wepl_db: float = 110.0
    t_ms: float = 0.0
    tr_ms: float = 0.0
    ta_ms: float = 0.0
    qdu: float = 1.0
    ie: float = 0.0
    bpl: float = 4.3
    ppl_percent: float = 0.0
    burst_ratio: float = 1.0
    nc_dbm0p: float = -70.0
    nfor_dbmp: float = -64.0
    ps_dba: float = 35.0
    pr_dba: float = 35.0
    a: float = 0.0
    delay_sensitivity: float = 1.0
    perceivable_delay_ms: float = 100.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What R is made of. ``i_s``: simultaneous impairments; ``idte``, ``idle``, ``idd``: talker echo, listener echo, pure delay."""

    scale: Scale
    ro: float
    i_s: float
    idte: float
    idle: float
    idd: float
    ie_eff: float
    a: float

    @property
    def r(self) -> float:
        return self.ro - self.i_s - self.idte - self.idle - self.idd - self.ie_eff + self.a

    @property
    def rating(self) -> Rating:
        return Rating(self.r, mos_from_r(self.r / self.scale.stretch), self.scale.name)


def narrowband(c: Connection) -> Terms:
    """G.107, clause 7."""
    no = _noise(c)
    ro = 15.0 - 1.5 * (c.slr_db + no)
    ist = _sidetone(c)
    i_s = _loudness(c, no) + ist + _quantising(c.qdu, ro)
    roe = -1.5 * (no - c.rlr_db)
    return Terms(NARROWBAND, ro, i_s, _talker_echo(c, roe, 2.5, ist), _listener_echo(c, ro), _delay(c), _equipment(c, NARROWBAND), c.a)


def wideband(c: Connection) -> Terms:
    """G.107.1 (06/2019): Ro 129, Is 0; talker echo, delay, codec and loss.

    Re rises by 3 instead of 2.5 per dB of TELR. Listener echo is narrowband's, and only where there is a closed loop at all.
    """
    ro = WIDEBAND.ceiling
    idle = _listener_echo(c, ro) if c.tr_ms > 0.0 else 0.0
    return Terms(WIDEBAND, ro, 0.0, _talker_echo(c, ro, 3.0, 0.0), idle, _delay(c), _equipment(c, WIDEBAND), c.a)


def fullband(c: Connection) -> Terms:
    """G.107.2 (06/2019): Ro 148, Is 0; delay, codec and loss. It knows no echo yet."""
    return Terms(FULLBAND, FULLBAND.ceiling, 0.0, 0.0, 0.0, FULLBAND.delay_weight * _delay(c), _equipment(c, FULLBAND), c.a)


_MODELS = {"nb": narrowband, "wb": wideband, "fb": fullband}


@dataclass(frozen=True, slots=True)
class CodecImpairment:
    """``ie``: impairment of the codec itself. ``bpl``: robustness against loss (percent of loss that costs half of what is left)."""

    scale: Scale
    ie: float
    bpl: float
    source: str


_G113 = "ITU-T G.113, appendix I"
_G113_WB = "Ie,WB: ITU-T G.113, appendix IV"
_FITTED = "our own fit to PESQ-WB of our playout, loss random 0-20 % and in bursts, on the scale of published G.711 and G.722 figures"
CODECS: dict[str, CodecImpairment] = {
    "pcma": CodecImpairment(NARROWBAND, 0.0, 25.1, _G113 + ": G.711 with concealment of appendix I, random loss"),
    "pcmu": CodecImpairment(NARROWBAND, 0.0, 25.1, _G113 + ": G.711 with concealment of appendix I, random loss"),
    "g711-bare": CodecImpairment(NARROWBAND, 0.0, 4.3, _G113 + ": G.711 without concealment"),
    "g729": CodecImpairment(NARROWBAND, 10.0, 19.0, _G113 + ": G.729; Bpl is G.729A's with VAD"),
    "g729a": CodecImpairment(NARROWBAND, 11.0, 19.0, _G113 + ": G.729A with VAD"),
    "g722": CodecImpairment(WIDEBAND, 13.0, 5.7, f"{_G113_WB}, 64 kbit/s; Bpl: {_FITTED}"),
    "g722-56": CodecImpairment(WIDEBAND, 20.0, 5.7, f"{_G113_WB}, 56 kbit/s; Bpl: that of 64 kbit/s"),
    "g722-48": CodecImpairment(WIDEBAND, 31.0, 5.7, f"{_G113_WB}, 48 kbit/s; Bpl: that of 64 kbit/s"),
    "opus": CodecImpairment(WIDEBAND, 14.1, 8.2, f"32 kbit/s without in-band FEC: {_FITTED}; ITU-T gives none"),
    "opus-fec": CodecImpairment(WIDEBAND, 15.0, 20.4, f"32 kbit/s with in-band FEC: {_FITTED}; ITU-T gives none"),
}
_DEFAULTS = Connection()


def rate(
    codec_name: str, *, loss: float | None, delay_ms: float | None, burst_ratio: float = 1.0, connection: Connection = _DEFAULTS
) -> Rating | None:
    """The rating of one direction; None while loss or delay is not measured, or for a codec without figures.

    ``loss`` 0-1 counts late packets too. ``delay_ms`` is mouth to ear: network, jitter buffer, packet time, codec. ``burst_ratio`` is
    the mean length of a loss burst over that of random loss of the same rate (G.107, clause 7.5); 1 is random, less counts as random.
    ``connection`` holds what else is known, an echo for example.
    """
    codec = CODECS.get(codec_name)
    if codec is None or loss is None or delay_ms is None:
        return None
    percent, burst_ratio = 100.0 * min(1.0, max(0.0, loss)), max(1.0, burst_ratio)
    if connection is _DEFAULTS:  # nothing but these two terms differs: called for every leg, every second
        scale = codec.scale
        r = _default_r(scale.name) - scale.delay_weight * delay_impairment(delay_ms) - _effective(codec, percent, burst_ratio)
        return Rating(r, mos_from_r(r / scale.stretch), scale.name)
    measured = replace(connection, ta_ms=delay_ms, ie=codec.ie, bpl=codec.bpl, ppl_percent=percent, burst_ratio=burst_ratio)
    return _MODELS[codec.scale.name](measured).rating


@cache
def _default_r(scale: str) -> float:
    """R of the defaults: no delay, no loss, no codec."""
    return _MODELS[scale](_DEFAULTS).r


def delay_impairment(delay_ms: float, *, sensitivity: float = 1.0, perceivable_ms: float = 100.0) -> float:
    """Idd for an absolute delay (G.107, equations 7-27 and 7-28); 0 up to the delay that is perceivable."""
    if delay_ms <= perceivable_ms:
        return 0.0
    x, power = math.log2(delay_ms / perceivable_ms), 6.0 * sensitivity
    impairment: float = 25.0 * ((1 + x**power) ** (1 / power) - 3 * (1 + (x / 3) ** power) ** (1 / power) + 2)
    return impairment


def loss_impairment(codec: CodecImpairment, loss: float, burst_ratio: float = 1.0) -> float:
    """Ie,eff (G.107, equation 7-29) of a codec at ``loss`` 0-1."""
    return _effective(codec, 100.0 * min(1.0, max(0.0, loss)), max(1.0, burst_ratio))


def _effective(codec: CodecImpairment, percent: float, burst_ratio: float) -> float:
    if percent == 0.0:
        return codec.ie
    return codec.ie + (codec.scale.loss_ceiling - codec.ie) * percent / (percent / burst_ratio + codec.bpl)


def mos_from_r(r: float) -> float:
    """MOS from a rating on the narrowband range (G.107, annex B)."""
    if r <= 0.0:
        return 1.0
    if r >= 100.0:
        return 4.5
    return max(1.0, 1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r))  # the cubic dips below 1 under R 6.5


class BurstRatio:
    """Counts the runs of lost packets in an arrival sequence: how bursty is the loss? (G.107, clause 7.5: BurstR)

    Mean length of the runs over 1 / (1 - loss), the mean that random loss of the same rate has. A run counts once it has ended.
    """

    __slots__ = ("_packets", "_run", "_run_packets", "_runs")

    def __init__(self) -> None:
        self._packets = self._runs = self._run_packets = self._run = 0

    def count(self, *, lost: bool, packets: int = 1) -> None:
        """So many packets, one after another, were lost or arrived."""
        self._packets += packets
        if lost:
            self._run += packets
        elif self._run:
            self._runs += 1
            self._run_packets += self._run
            self._run = 0

    @property
    def value(self) -> float | None:
        """1 for random loss, more for bursts, less for loss more even than random; None before any loss."""
        if not self._runs:
            return None
        return self._run_packets / self._runs * (1.0 - self._run_packets / self._packets)


def _noise(c: Connection) -> float:
    """No: the power sum of all noise at the 0 dBr point, in dBm0p (equations 7-3 to 7-7)."""
    olr = c.slr_db + c.rlr_db
    sent = c.ps_dba - c.slr_db - c.ds_db - 100.0 + 0.004 * (c.ps_dba - olr - c.ds_db - 14.0) ** 2
    heard_room = c.pr_dba + 10.0 * math.log10(1.0 + 10.0 ** ((10.0 - c.lstr_db) / 10.0))
    received = c.rlr_db - 121.0 + heard_room + 0.008 * (heard_room - 35.0) ** 2
    floor = c.nfor_dbmp + c.rlr_db
    return 10.0 * math.log10(sum(10.0 ** (level / 10.0) for level in (c.nc_dbm0p, sent, received, floor)))


def _loudness(c: Connection, no: float) -> float:
    """Iolr: too loud a connection (equations 7-9 and 7-10)."""
    x = (c.slr_db + c.rlr_db + 0.2 * (64.0 + no - c.rlr_db)) / 8.0
    impairment: float = 20.0 * ((1.0 + x**8) ** (1 / 8) - x)
    return impairment


def _sidetone(c: Connection) -> float:
    """Ist: a sidetone that is not the best (equations 7-11 and 7-12)."""
    stmro = -10.0 * math.log10(10.0 ** (-c.stmr_db / 10.0) + math.exp(-c.t_ms / 4.0) * 10.0 ** (-c.telr_db / 10.0))

    def bend(offset: float, width: float, power: int) -> float:
        bent: float = (1.0 + ((stmro + offset) / width) ** power) ** (1 / power)
        return bent

    return 12.0 * bend(-13.0, 6.0, 8) - 28.0 * bend(1.0, 19.4, 35) - 13.0 * bend(-3.0, 33.0, 13) + 29.0


def _quantising(qdu: float, ro: float) -> float:
    """Iq (equations 7-13 to 7-17)."""
    q = 37.0 - 15.0 * math.log10(qdu)
    g = 1.07 + 0.258 * q + 0.0602 * q * q
    y, z = (ro - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0, 46.0 / 30.0 - g / 40.0
    return 15.0 * math.log10(1.0 + 10.0**y + 10.0**z)


def _talker_echo(c: Connection, roe: float, slope: float, ist: float) -> float:
    """Idte (equations 7-19 to 7-24); an echo within 1 ms is sidetone."""
    idte = 0.0
    if c.t_ms >= 1.0:
        terv = c.telr_db - 40.0 * math.log10((1.0 + c.t_ms / 10.0) / (1.0 + c.t_ms / 150.0)) + 6.0 * math.exp(-0.3 * c.t_ms**2)
        if c.stmr_db < 9.0:
            terv += ist / 2.0
        half = (roe - 80.0 - slope * (terv - 14.0)) / 2.0
        idte = (half + math.sqrt(half * half + 100.0) - 1.0) * (1.0 - math.exp(-c.t_ms))
    return math.hypot(idte, ist) if c.stmr_db > 20.0 else idte


def _listener_echo(c: Connection, ro: float) -> float:
    """Idle (equations 7-25 and 7-26)."""
    half = (ro - 10.5 * (c.wepl_db + 7.0) * (c.tr_ms + 1.0) ** -0.25) / 2.0
    impairment: float = half + math.sqrt(half * half + 169.0)
    return impairment


def _delay(c: Connection) -> float:
    return delay_impairment(c.ta_ms, sensitivity=c.delay_sensitivity, perceivable_ms=c.perceivable_delay_ms)


def _equipment(c: Connection, scale: Scale) -> float:
    """Ie,eff (equation 7-29)."""
    return _effective(CodecImpairment(scale, c.ie, c.bpl, ""), c.ppl_percent, c.burst_ratio)
