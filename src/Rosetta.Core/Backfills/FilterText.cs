namespace Rosetta.Core.Backfills;

/// <summary>Reads the string form: column, operator, literal, and nothing else.</summary>
static class FilterText
{
    const string Form = "must be: column operator literal, for example \"created_at >= '2026-01-01'\"; IN and BETWEEN need the object form";

    // Longer ones first: >= is not >.
    static readonly string[] Signs = ["<>", "!=", ">=", "<=", "=", ">", "<"];
    static readonly string[] Words = ["LIKE", "ILIKE"];

    /// <exception cref="BackfillFilterException">It is anything else.</exception>
    public static BackfillFilter Read(string text)
    {
        var at = 0;
        SkipSpace(text, ref at);
        var isQuoted = at < text.Length && text[at] == '"';
        var column = isQuoted ? Quoted(text, ref at, '"') : Word(text, ref at);
        if (column.Length == 0)
            throw new BackfillFilterException(Form);
        SkipSpace(text, ref at);
        var (@operator, takesLiteral) = Operator(text, ref at);
        SkipSpace(text, ref at);
        IReadOnlyList<string> values = takesLiteral ? [Literal(text, ref at)] : [];
        SkipSpace(text, ref at);
        if (at != text.Length)
            throw new BackfillFilterException($"has something after its end, at character {at + 1}; it {Form}");
        return new BackfillFilter(column, !isQuoted, @operator, values);
    }

    static (string Operator, bool TakesLiteral) Operator(string text, ref int at)
    {
        var start = at;
        if (Array.Find(Signs, s => text.AsSpan(start).StartsWith(s, StringComparison.Ordinal)) is { } sign)
        {
            at += sign.Length;
            return (sign, true);
        }

        var word = Word(text, ref at).ToUpperInvariant();
        if (Words.Contains(word))
            return (word, true);
        if (word == "IS")
        {
            SkipSpace(text, ref at);
            var next = Word(text, ref at).ToUpperInvariant();
            if (next == "NULL")
                return ("IS NULL", false);
            SkipSpace(text, ref at);
            if (next == "NOT" && Word(text, ref at).Equals("NULL", StringComparison.OrdinalIgnoreCase))
                return ("IS NOT NULL", false);
        }

        throw new BackfillFilterException($"has no operator that is known here at character {start + 1}; it {Form}");
    }

    static string Literal(string text, ref int at)
    {
        if (at < text.Length && text[at] == '\'')
            return Quoted(text, ref at, '\'');
        var start = at;
        if (at < text.Length && char.IsAsciiLetter(text[at]))
        {
            var word = Word(text, ref at);
            if (word.Equals("true", StringComparison.OrdinalIgnoreCase) || word.Equals("false", StringComparison.OrdinalIgnoreCase))
                return word.ToLowerInvariant();
        }
        else if (Number(text, ref at) is { Length: > 0 } number)
            return number;
        throw new BackfillFilterException($"has no literal at character {start + 1}: write a number, true, false or a text in single quotes");
    }

    static string Number(string text, ref int at)
    {
        var start = at;
        if (at < text.Length && text[at] is '-' or '+')
            at++;
        var digits = Digits(text, ref at);
        if (at < text.Length && text[at] == '.')
        {
            at++;
            digits += Digits(text, ref at);
        }

        if (digits > 0 && at < text.Length && text[at] is 'e' or 'E')
        {
            at++;
            if (at < text.Length && text[at] is '-' or '+')
                at++;
            if (Digits(text, ref at) == 0)
                return "";
        }

        return digits > 0 ? text[start..at] : "";
    }

    static int Digits(string text, ref int at)
    {
        var start = at;
        while (at < text.Length && char.IsAsciiDigit(text[at]))
            at++;
        return at - start;
    }

    /// <summary>Between quotes, which are doubled inside. A backslash is a backslash.</summary>
    static string Quoted(string text, ref int at, char quote)
    {
        var (start, value) = (at, new System.Text.StringBuilder());
        for (at++; at < text.Length; at++)
        {
            if (text[at] != quote)
                value.Append(text[at]);
            else if (at + 1 < text.Length && text[at + 1] == quote)
                value.Append(text[at++]);
            else
            {
                at++;
                return value.ToString();
            }
        }

        throw new BackfillFilterException($"has a quote at character {start + 1} that is not closed");
    }

    static string Word(string text, ref int at)
    {
        var start = at;
        while (at < text.Length && (char.IsLetter(text[at]) || text[at] == '_' || (at > start && (char.IsAsciiDigit(text[at]) || text[at] == '$'))))
            at++;
        return text[start..at];
    }

    static void SkipSpace(string text, ref int at)
    {
        while (at < text.Length && text[at] is ' ' or '\t' or '\r' or '\n')
            at++;
    }
}
