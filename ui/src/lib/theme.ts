// Light, dark, or as the system has it. The choice is kept on this machine.
export type Theme = 'system' | 'light' | 'dark';

const KEY = 'keystore-theme';

export const themeNow = (): Theme => {
  const kept = localStorage.getItem(KEY);
  return kept === 'light' || kept === 'dark' ? kept : 'system';
};

export const setTheme = (theme: Theme): void => {
  if (theme === 'system') {
    localStorage.removeItem(KEY);
    delete document.documentElement.dataset['theme'];
  } else {
    localStorage.setItem(KEY, theme);
    document.documentElement.dataset['theme'] = theme;
  }
  dispatchEvent(new Event('themechange'));
};
