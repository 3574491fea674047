using System.Reflection;
using Microsoft.AspNetCore.Http;
using Rosetta.Api.Bodies;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Api.DeadLetters;

/// <summary>Which dead letters of a destination are wanted, from a query: <c>table</c>, <c>error_class</c>, <c>sqlstate</c>; and <c>limit</c> and <c>after</c> of a page.</summary>
sealed record LetterFilter(TableName? Table, ErrorClass? Class, string? SqlState, int Limit, Position? After)
{
    /// <summary>Every entry of its table fits.</summary>
    public bool IsOpen => Class is null && SqlState is null;

    public bool Fits(DeadLetter letter) => (Class is null || letter.Failure?.Class == Class) && (SqlState is null || letter.Failure?.SqlState == SqlState);

    /// <summary>Called by ASP.NET for a parameter of this type.</summary>
    public static ValueTask<LetterFilter> BindAsync(HttpContext context, ParameterInfo parameter)
    {
        var errors = new FieldErrors();
        var query = context.Request.Query;
        var table = TableOf(context.Request, errors);
        ErrorClass? errorClass = null;
        if (Text("error_class") is { } word)
        {
            errorClass = RecoveryRules.ToClass(word);
            if (errorClass is null) errors.Add("error_class", "must be TRANSIENT, DATA, TABLE or OPERATOR");
        }

        var state = Text("sqlstate");
        if (state is { Length: not 5 }) errors.Add("sqlstate", "must have five characters");
        Position? after = null;
        if (Text("after") is { } id && (after = DeadLetter.FindPosition(id)) is null) errors.Add("after", "must be the id of a dead letter");
        var limit = PageQuery.LimitOf(context.Request, errors);
        errors.ThrowIfAny("query");
        return ValueTask.FromResult(new LetterFilter(table, errorClass, state, limit, after));

        string? Text(string field) => query[field] is [{ Length: > 0 } text] ? text : null;
    }

    /// <summary>The table that the query names; null when absent.</summary>
    public static TableName? TableOf(HttpRequest request, FieldErrors errors)
    {
        if (request.Query["table"] is not [{ Length: > 0 } name]) return null;
        if (TableName.TryParse(name, out var table)) return table;
        errors.Add("table", "must be schema.table");
        return null;
    }
}
