using System.Globalization;
using System.Reflection;
using Microsoft.AspNetCore.Http;

namespace Rosetta.Api.Bodies;

/// <summary><c>limit</c> (1 to 1000, default 100) and <c>offset</c> of a list; anything else is 422.</summary>
sealed record PageQuery(int Limit, int Offset)
{
    /// <summary>Called by ASP.NET for a parameter of this type.</summary>
    public static ValueTask<PageQuery> BindAsync(HttpContext context, ParameterInfo parameter)
    {
        var errors = new FieldErrors();
        var query = new PageQuery(
            LimitOf(context.Request, errors), (int)(Whole(context.Request, "offset", 0, int.MaxValue, errors) ?? 0));
        errors.ThrowIfAny("query");
        return ValueTask.FromResult(query);
    }

    public static int LimitOf(HttpRequest request, FieldErrors errors) => (int)(Whole(request, "limit", 1, 1000, errors) ?? 100);

    /// <summary>A whole number of the query, null when absent.</summary>
    public static long? Whole(HttpRequest request, string name, long smallest, long largest, FieldErrors errors)
    {
        if (!request.Query.TryGetValue(name, out var text) || text.Count == 0) return null;
        if (text.Count == 1 && long.TryParse(text[0], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
            && value >= smallest && value <= largest)
        {
            return value;
        }

        errors.Add(name, largest == long.MaxValue ? $"must be a whole number, {smallest} or more" : $"must be a whole number from {smallest} to {largest}");
        return null;
    }
}

/// <summary>A list in answers.</summary>
/// <param name="Total">How many there are in all, whatever the limit.</param>
public sealed record ListAnswer<T>(IReadOnlyList<T> Items, long Total);
