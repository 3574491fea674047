namespace Rosetta.Testing.Workloads;

/// <summary>One SQL statement of a transaction, with positional parameters, and the table whose changed rows it counts for.</summary>
sealed record Statement(string? Table, string Sql, params object[] Parameters);
