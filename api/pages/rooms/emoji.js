/** The few pictures that this page offers, and what each is called. */
import { t } from './words.js';

const NAMES = { '👍': 'thumbs_up', '❤️': 'heart', '😂': 'laughing', '🎉': 'party', '🙏': 'thanks', '✅': 'done', '👏': 'applause' };

/** To a message, and to everybody in the room for a moment. */
export const REACTIONS = ['👍', '❤️', '😂', '🎉', '🙏', '✅'];
export const GESTURES = ['👏', '👍', '🎉', '❤️', '😂'];

export const emojiName = (emoji) => (emoji in NAMES ? t(`emoji.${NAMES[emoji]}`) : emoji);
