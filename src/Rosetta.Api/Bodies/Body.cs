using System.Reflection;
using System.Text.Json;
using FluentValidation;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Rosetta.Api.Bodies;

/// <summary>A request's body, read strictly and checked by the <see cref="IValidator{T}"/> of its type. An endpoint that takes one gets only valid ones.</summary>
sealed record Body<T>(T Value)
    where T : class
{
    /// <summary>Called by ASP.NET for a parameter of this type.</summary>
    public static async ValueTask<Body<T>> BindAsync(HttpContext context, ParameterInfo parameter)
    {
        using var document = await BodyReader.ReadAsync(context.Request).ConfigureAwait(false);
        var errors = new FieldErrors();
        using var empty = document is null ? JsonDocument.Parse("{}") : null;
        var value = BodyBinder.Bind<T>((document ?? empty!).RootElement, errors);
        if (value is not null && context.RequestServices.GetService<IValidator<T>>() is { } validator)
        {
            errors.Add(await validator.ValidateAsync(value, context.RequestAborted).ConfigureAwait(false));
        }

        errors.ThrowIfAny("body");
        return new Body<T>(value!);
    }
}
