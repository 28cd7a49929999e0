/** What the board takes from the kit, by one name. */
export { Badge, Button, Card, Choice, Confirm, Dialog, Empty, Field, Figure, Figures, More, Notice, Skeleton, Switch, Table, Tabs } from '../kit/parts.js';
export { alarm, ask, explain, has, html, language, say, session, t, tell } from '../kit/page.js';
