/** @file Python's `strftime` in the C locale, for the parts that a date has. */

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

const two = (value: number): string => String(value).padStart(2, '0');

/** `%-d` and its kin leave the zero in front away. */
export function strftime(date: Date, format: string): string {
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  const [hours, minutes, seconds] = [
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
  ];
  const monthName = months[month];
  const dayName = days[date.getUTCDay()];
  const dayOfYear = Math.floor((Date.UTC(year, month, day) - Date.UTC(year, 0, 0)) / 86_400_000);
  const time = `${two(hours)}:${two(minutes)}`;
  const parts: Readonly<Record<string, string>> = {
    Y: String(year),
    y: two(year % 100),
    m: two(month + 1),
    d: two(day),
    e: String(day).padStart(2),
    j: String(dayOfYear).padStart(3, '0'),
    B: monthName,
    b: monthName.slice(0, 3),
    h: monthName.slice(0, 3),
    A: dayName,
    a: dayName.slice(0, 3),
    w: String(date.getUTCDay()),
    u: String(date.getUTCDay() || 7),
    H: two(hours),
    I: two(hours % 12 || 12),
    M: two(minutes),
    S: two(seconds),
    p: hours < 12 ? 'AM' : 'PM',
    F: date.toISOString().slice(0, 10),
    T: `${time}:${two(seconds)}`,
    R: time,
    D: `${two(month + 1)}/${two(day)}/${two(year % 100)}`,
    Z: '',
    z: '',
    n: '\n',
    t: '\t',
    '%': '%',
  };
  return format.replace(/%(-?)(.)/g, (whole, bare: string, letter: string) => {
    if (!Object.hasOwn(parts, letter)) return whole;
    return bare ? parts[letter].replace(/^[0 ]+(?=.)/, '') : parts[letter];
  });
}
