import { RouterThere } from '../../lib/session/router-there'

test('that people are sent to pages which nobody made is warned of, once', () => {
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  try {
    const made = new RouterThere('/two-factor')
    made.note()
    made.leads()
    expect(warn).not.toHaveBeenCalled()
    const missing = new RouterThere('/two-factor')
    missing.leads()
    missing.leads()
    const type = 'SecondFactorWarning'
    expect(warn.mock.calls).toEqual([
      [
        expect.stringMatching(
          /^Somebody is sent to \/two-factor, .*app\.use\('\/two-factor', secondFactor\.router\(\)\), unless/,
        ),
        { type, code: 'SF_ROUTER_MISSING' },
      ],
    ])
  } finally {
    warn.mockRestore()
  }
})
