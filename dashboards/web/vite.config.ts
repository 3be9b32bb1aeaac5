import preact from '@preact/preset-vite'
import { defineConfig } from 'vite'
import { compressed } from './compress.ts'

export default defineConfig({
  plugins: [preact({ devToolsEnabled: false, prefreshEnabled: false }), compressed()],
  build: { target: 'es2023', sourcemap: false, reportCompressedSize: false, chunkSizeWarningLimit: 600 },
  // `vite dashboards/web` beside `hearth up`: the API is the running one.
  server: { proxy: { '/api': 'http://127.0.0.1:8990' } },
})
