/** Draw a view again every so often, while something in it counts. */
import { useEffect, useState } from 'preact/hooks';

export function useTicks(everyMs, counts = true) {
  const [, tick] = useState(0);
  useEffect(() => {
    if (!counts) return undefined;
    const timer = setInterval(() => tick((count) => count + 1), everyMs);
    return () => clearInterval(timer);
  }, [Boolean(counts)]);
}
