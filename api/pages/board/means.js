/** By what an agent's leg took part, in words: what is spoken into, by what the machine is connected, which way packets go. */
import { t } from './kit.js';

const WORDS = {
  headset: (value) => ({ 'built in': t('headset.built_in'), Bluetooth: t('headset.bluetooth'), other: t('headset.unknown') })[value] ?? value,
  connection: (value) => t(`network.${value}`),
  way: (value) => {
    const [local, protocol] = value.split('/');
    const by = protocol.toUpperCase();
    return local === 'relay' ? t('ice.relayed', { by }) : local === 'host' ? t('ice.straight', { by }) : `${t('ice.straight', { by })}, ${t(`candidate.${local}`)}`;
  },
  family: (value) => ({ ipv4: 'IPv4', ipv6: 'IPv6' })[value] ?? value,
};

/** A value of `headset`, `connection`, `way` or `family`; of anything else itself. */
export const meansWords = (kind, value) => (WORDS[kind] && value ? WORDS[kind](value) : value);
