namespace Rosetta.Postgres.Replication;

/// <summary>Quoting in the walsender's own command language (repl_scanner.l): it knows no escape strings.</summary>
static class ReplicationText
{
    public static string Identifier(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    public static string Literal(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";
}
