using System.Globalization;
using System.Text;

namespace Rosetta.Postgres.Wire;

/// <summary>
/// The part of SASLprep (RFC 4013) that matters for passwords people have: other spaces become a space, characters commonly mapped to nothing vanish.
/// A password that SASLprep forbids is used as it is, as PostgreSQL does. The normalisation to NFKC needs Unicode tables, which a process with
/// invariant globalization does not have (there Normalize changes nothing): then a password with compatibility characters or combining marks must be
/// entered in its normalised form.
/// </summary>
static class SaslPrep
{
    public static string Apply(string password)
    {
        if (Ascii.IsValid(password))
            return password;
        var mapped = new StringBuilder(password.Length);
        foreach (char c in password)
        {
            if (IsMappedToNothing(c))
                continue;
            if (char.IsControl(c) || char.GetUnicodeCategory(c) == UnicodeCategory.PrivateUse)
                return password;
            mapped.Append(char.GetUnicodeCategory(c) == UnicodeCategory.SpaceSeparator ? ' ' : c);
        }

        try
        {
            string prepared = mapped.ToString().Normalize(NormalizationForm.FormKC);
            return prepared.Length > 0 ? prepared : password;
        }
        catch (ArgumentException)
        {
            // Not valid Unicode (a lone surrogate): the bytes as they are, like the server.
            return password;
        }
    }

    // RFC 3454, table B.1.
    static bool IsMappedToNothing(char c) =>
        c is '\u00AD' or '\u034F' or '\u1806' or '\u180B' or '\u180C' or '\u180D' or '\u200B' or '\u200C' or '\u200D' or '\u2060' or '\uFEFF'
            or (>= '\uFE00' and <= '\uFE0F');
}
