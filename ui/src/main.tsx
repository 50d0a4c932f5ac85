import './styles/tokens.css';
import './styles/base.css';
import './styles/shell.css';
import './styles/parts.css';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { setTheme, themeNow } from './lib/theme.ts';

setTheme(themeNow());
const root = document.getElementById('root');
if (root) createRoot(root).render(<App />);
