// Comfort only: every page works without it. Loaded in <head>, so that what needs it is never seen to jump in.
;(() => {
  'use strict'
  document.documentElement.classList.add('sf-js')

  function each(selector, act) {
    document.querySelectorAll(selector).forEach(act)
  }

  // A live region speaks only when it changes, so the same words twice need a pause between.
  function say(line, text) {
    line.textContent = ''
    setTimeout(() => {
      line.textContent = text
    }, 50)
  }

  function clock(left) {
    const seconds = Math.ceil(left)
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
  }

  // Calls `show` with what is left until nothing is. By the time of day, since timers sleep in hidden tabs.
  function countDown(seconds, show, over) {
    let end = Date.now() + seconds * 1000
    let timer = setInterval(tick, 200)
    function left() {
      return Math.max(0, end - Date.now()) / 1000
    }
    function tick() {
      if (!timer) return
      show(left())
      if (left() > 0) return
      timer = clearInterval(timer)
      over()
    }
    document.addEventListener('visibilitychange', tick)
    tick()
    // Adds seconds, and tells how many that makes.
    return (more) => {
      end += more * 1000
      tick()
      return left()
    }
  }

  // Times in the reader's own zone; in their own form of the page's language.
  function localTimes() {
    const page = document.documentElement.lang
    each('time[data-sf-time]', (time) => {
      const lang = time.closest('[lang]')?.lang || page
      const own = navigator.language || lang
      const date = new Date(time.dateTime)
      const { sfTime } = time.dataset
      const parts = {
        ...(sfTime !== 'time' && { day: 'numeric', month: 'long' }),
        ...(sfTime !== 'date' && { hour: 'numeric', minute: '2-digit' }),
      }
      if (parts.day && date.getFullYear() !== new Date().getFullYear()) parts.year = 'numeric'
      time.textContent = new Intl.DateTimeFormat(
        own.split('-')[0] === lang.split('-')[0] ? own : lang,
        parts,
      ).format(date)
    })
  }

  // A form goes off once: a double click must not spend two codes.
  function sendOnce() {
    each('.sf-card form', (form) => {
      const button = form.querySelector('[type=submit]')
      let sending = false
      function rearm() {
        if (sending) button.disabled = false
        sending = false
      }
      form.addEventListener('submit', (event) => {
        if (sending) return event.preventDefault()
        sending = true
        button.disabled = true
        setTimeout(rearm, 15000)
      })
      window.addEventListener('pageshow', rearm)
    })
  }

  function lock() {
    each('[data-sf-over]', (box) => {
      const left = box.querySelector('[data-sf-left]')
      function show(seconds) {
        left.textContent = clock(seconds)
      }
      countDown(Number(box.dataset.sfLock), show, () => {
        // The box keeps its height: the field does not move under the finger.
        box.style.minHeight = `${box.offsetHeight}px`
        box.textContent = box.dataset.sfOver
        each('.sf-card :disabled', (control) => {
          control.disabled = false
        })
        document.getElementById('sf-field').focus({ preventScroll: true })
      })
    })
  }

  function copying() {
    each('[data-sf-copy]', (button) => {
      button.addEventListener('click', () => {
        const line = button.closest('.sf-card').querySelector('.sf-status')
        const source = document.getElementById(button.dataset.sfCopy)
        const items = Array.from(source.querySelectorAll('li'), (item) => item.textContent)
        const text = items.length ? items.join('\n') : source.textContent.replace(/\s/g, '')
        // Not there on plain http.
        const copied = navigator.clipboard ? navigator.clipboard.writeText(text) : Promise.reject()
        copied.then(
          () => {
            say(line, button.dataset.sfDone)
          },
          () => {
            getSelection().selectAllChildren(source)
            say(line, button.dataset.sfFailed)
          },
        )
      })
    })
    each('[data-sf-print]', (button) => {
      button.addEventListener('click', () => {
        window.print()
      })
    })
  }

  // Backup codes stay for as long as somebody asks for more time, then leave the document.
  function passing() {
    each('[data-sf-codes]', (box) => {
      const gone = box.parentNode.querySelector('[data-sf-gone]')
      const spoken = box.parentNode.querySelector('.sf-spoken')
      const left = box.querySelector('[data-sf-left]')
      const bar = box.querySelector('[data-sf-bar]')
      const more = box.querySelector('[data-sf-more]')
      const step = Number(box.dataset.sfCodes)
      let full = step
      let warned = false

      function show(seconds) {
        left.textContent = clock(seconds)
        bar.style.transform = `scaleX(${Math.min(1, seconds / full)})`
        if (seconds > 10 || warned) return
        warned = true
        say(spoken, spoken.dataset.sfSoon)
      }

      function wipe() {
        if (!box.isConnected) return
        const focused = box.contains(document.activeElement)
        gone.style.minHeight = `${box.offsetHeight}px`
        box.remove()
        gone.hidden = false
        gone.parentNode.querySelector('.sf-status').textContent = ''
        if (focused) gone.focus({ preventScroll: true })
        else say(spoken, gone.firstElementChild.textContent)
      }

      const add = countDown(step, show, wipe)
      more.addEventListener('click', () => {
        warned = false
        full = add(step)
        say(spoken, more.dataset.sfSaid)
      })
      say(spoken, spoken.dataset.sfStarted)
      // Come back to with the browser's back button: as if the time were over.
      window.addEventListener('pageshow', (event) => {
        if (event.persisted) wipe()
      })
    })
  }

  document.addEventListener('DOMContentLoaded', () => {
    localTimes()
    sendOnce()
    lock()
    copying()
    passing()
  })
})()
