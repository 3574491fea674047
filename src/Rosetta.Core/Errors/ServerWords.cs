namespace Rosetta.Core.Errors;

/// <summary>
/// Which error messages of a PostgreSQL server may be logged. Messages about data quote values ("invalid input syntax for type integer: ..."), and
/// whatever runs inside a function or a COPY may say anything under any SQLSTATE; messages about connections, privileges and objects name things only.
/// </summary>
public static class ServerWords
{
    /// <param name="sqlState">Five characters.</param>
    /// <param name="context">The message's field W: where in functions, triggers or COPY it happened; null outside of them.</param>
    public static bool MayBeLogged(string sqlState, string? context) =>
        // A walsender names its slot and the output plugin's callback.
        (string.IsNullOrEmpty(context) || context.StartsWith("slot \"", StringComparison.Ordinal))
        && sqlState.Length == 5
        && sqlState[..2] is ("01" or "08" or "0A" or "25" or "28" or "3D" or "3F" or "40" or "42" or "53" or "54" or "55" or "57" or "58" or "XX");
}
