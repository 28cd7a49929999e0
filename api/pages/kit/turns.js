/**
 * Of several who ask at once the last is right: what an earlier one was told may be older than what was done since. Each `turn()` gives a
 * question: is it still the last one?
 */
export function turns() {
  let asked = 0;
  return () => {
    asked += 1;
    const mine = asked;
    return () => mine === asked;
  };
}
